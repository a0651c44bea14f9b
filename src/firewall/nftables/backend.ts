// The nftables back end: the layout once, then elements. Every change is one netlink transaction.

import type { Request } from "../../kernel/index.ts";
import {
  addElements,
  deleteElements,
  deleteTable,
  type Nftables,
  openNftables,
  type Table,
  watchNftables,
} from "../../kernel/nftables/index.ts";
import type { Family } from "../../netip/index.ts";
import { conflict, hasCode } from "../../util/errors.ts";
import type { Backend } from "../backend.ts";
import { ruleKey } from "../key.ts";
import type { RuleChange } from "../ledger.ts";
import type { Rule } from "../rules.ts";
import { type Bridging, prepareBridging } from "./bridging.ts";
import { isAsMade } from "./drift.ts";
import { type Entry, entriesOf } from "./entry.ts";
import { bridgeLayout, mainLayout } from "./layout.ts";
import { bridgeTable, mainTable } from "./sets.ts";

export interface NftablesOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns?: string | undefined;
  /** Rules for IPv6 too. */
  readonly ipv6: boolean;
  /** Translate connections of the host to 127.0.0.1 (needs route_localnet on the bridges). */
  readonly loopbackNat: boolean;
}

const tables: Readonly<Record<Entry["table"], Table>> = { main: mainTable, bridge: bridgeTable };

/** The back end on a handle of its own, which it closes; see `probeNftables`. */
export function nftablesBackend(nftables: Nftables, options: NftablesOptions): Backend {
  return new NftablesBackend(nftables, options);
}

class NftablesBackend implements Backend {
  readonly name = "nftables";
  readonly #nftables: Nftables;
  readonly #families: readonly Family[];
  readonly #options: NftablesOptions;
  /** What the kernel has, by id. */
  #entries = new Map<string, Entry>();
  #bridging: Bridging | undefined;
  #hasBridgeTable = false;

  constructor(nftables: Nftables, options: NftablesOptions) {
    this.#nftables = nftables;
    this.#families = options.ipv6 ? [4, 6] : [4];
    this.#options = options;
  }

  async reset(rules: readonly Rule[]): Promise<void> {
    const entries = new Map<string, Entry>();
    for (const rule of rules) this.#enter(rule, entries);
    const wanted = await this.#within(entries.values());
    const needsBridge = wanted.some(isBridging);
    await this.#nftables.commit([
      ...(await removals(this.#nftables)),
      ...mainLayout({ loopbackNat: this.#options.loopbackNat }),
      ...(needsBridge ? bridgeLayout() : []),
      ...elementRequests(wanted, addElements),
    ]);
    this.#entries = entries;
    this.#hasBridgeTable = needsBridge;
  }

  async apply(change: RuleChange): Promise<void> {
    const next = new Map<string, Entry>();
    const gone = new Map<string, Entry>();
    for (const rule of change.removed)
      for (const entry of entriesOf(rule, this.#families)) gone.set(entry.id, entry);
    for (const rule of change.added) this.#enter(rule, next, gone);
    for (const [id, entry] of next)
      if (gone.get(id)?.value === entry.value) {
        gone.delete(id);
        next.delete(id);
      }
    await this.#commit(gone.values(), next.values());
  }

  isIntact(): Promise<boolean> {
    const entries = [...this.#entries.values()];
    return isAsMade(this.#nftables, {
      entries: this.#bridging === "table" ? entries : entries.filter((entry) => !isBridging(entry)),
      hasBridgeTable: this.#hasBridgeTable,
      loopbackNat: this.#options.loopbackNat,
    });
  }

  watch(changed: () => void): Promise<Disposable> {
    return watchNftables(this.#options.netns, (event) => {
      const isOurs = event.kind === "lost" || event.tables.some(isOurTable);
      if (isOurs && !(event.kind === "changed" && event.byUs)) changed();
    });
  }

  async remove(): Promise<void> {
    await this.#nftables.commit(await removals(this.#nftables));
    this.#entries.clear();
    this.#hasBridgeTable = false;
  }

  close(): Promise<void> {
    return this.#nftables.close();
  }

  async #commit(going: Iterable<Entry>, coming: Iterable<Entry>): Promise<void> {
    const gone = [...going];
    const come = [...coming];
    const kernelGone = await this.#within(gone);
    const kernelCome = await this.#within(come);
    const needsBridge = !this.#hasBridgeTable && kernelCome.some(isBridging);
    await this.#nftables.commit([
      ...(needsBridge ? bridgeLayout() : []),
      ...elementRequests(kernelGone, deleteElements),
      ...elementRequests(kernelCome, addElements),
    ]);
    this.#hasBridgeTable ||= needsBridge;
    for (const { id } of gone) this.#entries.delete(id);
    for (const entry of come) this.#entries.set(entry.id, entry);
  }

  /** The entries that this kernel can hold: without a table for bridges, br_netfilter has the main table judge. */
  async #within(entries: Iterable<Entry>): Promise<Entry[]> {
    const all = [...entries];
    if (!all.some(isBridging)) return all;
    this.#bridging ??= await prepareBridging(this.#nftables, this.#families, this.#options.netns);
    return this.#bridging === "table" ? all : all.filter((entry) => !isBridging(entry));
  }

  /** Notes the rule's entries in `into`. @throws conflict when another rule, not among the `gone`, has one of them */
  #enter(rule: Rule, into: Map<string, Entry>, gone?: ReadonlyMap<string, Entry>): void {
    for (const entry of entriesOf(rule, this.#families)) {
      const isTaken = into.has(entry.id) || (gone && this.#entries.has(entry.id) && !gone.has(entry.id));
      if (isTaken)
        throw conflict(`set firewall rule ${ruleKey(rule)}: another rule has the same ${entry.set}`);
      into.set(entry.id, entry);
    }
  }
}

/** Removes our tables from a namespace, if the kernel has nftables at all. */
export async function removeNftables(netns?: string): Promise<void> {
  try {
    await using nftables = await openNftables(netns);
    await nftables.commit(await removals(nftables));
  } catch (error) {
    if (!hasCode(error, "EPROTONOSUPPORT", "EOPNOTSUPP", "EINVAL")) throw error;
  }
}

function isOurTable({ family, name }: Table): boolean {
  return [mainTable, bridgeTable].some((table) => table.family === family && table.name === name);
}

function isBridging({ table }: Entry): boolean {
  return table === "bridge";
}

/** Deletes what is there of our tables: a deletion costs the kernel milliseconds even where there is nothing. */
async function removals(nftables: Nftables): Promise<Request[]> {
  return (await nftables.tables())
    .filter(isOurTable)
    .map(({ family, name }) => deleteTable({ family, name }));
}

function elementRequests(entries: readonly Entry[], make: typeof addElements): Request[] {
  const groups = Map.groupBy(entries, ({ table, set }) => `${table} ${set}`);
  return [...groups.values()].flatMap((group) => {
    const first = group[0];
    if (!first) return [];
    return make(
      tables[first.table],
      first.set,
      group.flatMap(({ elements }) => elements),
    );
  });
}
