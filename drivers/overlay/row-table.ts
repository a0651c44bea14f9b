// A network's rows: who claims which, and what the kernel has of them as far as we know. One call at a time.

import type { DriverNetns, Host } from "../../src/driverapi/index.ts";
import type { FastPath } from "./fast-path.ts";
import { type FabricLinks, readRows, writeRows } from "./kernel-rows.ts";
import { RowClaims } from "./row-claims.ts";
import { type Row, rowChanges, rowKey } from "./rows.ts";

/** Brings the kernel's tables in a netns to what is claimed. */
export class RowTable {
  readonly #host: Pick<Host, "link">;
  readonly #netns: DriverNetns;
  readonly #fastPath: FastPath;
  readonly #claims = new RowClaims();
  /** Rows that the kernel has, as far as we know. */
  #applied = new Map<string, Row>();
  /** Keys whose row may be another now. */
  #dirty = new Set<string>();

  /** `fastPath` is told of all that the kernel has. */
  constructor(host: Pick<Host, "link">, netns: DriverNetns, fastPath: FastPath) {
    this.#host = host;
    this.#netns = netns;
    this.#fastPath = fastPath;
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** The row of a key that is to be, if any. */
  wanted(key: string): Row | undefined {
    return this.#claims.get(key);
  }

  /** Replaces what the owner claimed before; `rank`: higher wins. The kernel hears of it with the next `flush`. */
  claim(owner: string, rows: readonly Row[], rank: number): void {
    for (const key of this.#claims.set(owner, rows, rank)) this.#dirty.add(key);
  }

  /** What an earlier process left is known, and stays until it is claimed otherwise or `compare` removes it. */
  async takeOver(links: FabricLinks): Promise<void> {
    this.#applied = byKey(await readRows(this.#netns, links));
    this.#fastPath.put(this.#applied.values());
  }

  /** Writes what has changed since the last time. */
  async flush(): Promise<void> {
    const keys = this.#dirty;
    this.#dirty = new Set();
    if (keys.size === 0) return;
    // claims may change while the kernel works
    const wanted = new Map([...keys].map((key) => [key, this.#claims.get(key)]));
    const rows = [...wanted.values()].filter((row) => row !== undefined);
    const is = [...keys].flatMap((key) => this.#applied.get(key) ?? []);
    const changes = rowChanges(rows, is);
    this.#fastPath.drop(changes.removed);
    await writeRows(this.#host, this.#netns, changes);
    this.#fastPath.put(changes.added);
    for (const [key, row] of wanted)
      if (row) this.#applied.set(key, row);
      else this.#applied.delete(key);
  }

  /** Reads all that there is and puts it right; answers how many rows that took. `keeps`: what nobody claims stays. */
  async compare(links: FabricLinks, { keeps }: { readonly keeps: boolean }): Promise<number> {
    this.#dirty = new Set();
    const wanted = [...this.#claims.rows()];
    const { added, removed } = rowChanges(wanted, await readRows(this.#netns, links));
    const gone = keeps ? [] : removed;
    const applied = byKey([...(keeps ? removed : []), ...wanted]);
    this.#fastPath.keep(applied.values());
    await writeRows(this.#host, this.#netns, { added, removed: gone });
    this.#fastPath.put(applied.values());
    this.#applied = applied;
    return added.length + gone.length;
  }
}

function byKey(rows: Iterable<Row>): Map<string, Row> {
  return new Map([...rows].map((row) => [rowKey(row), row]));
}
