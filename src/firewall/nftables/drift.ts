// What of a table the kernel has, held against what is wanted: the least that makes it so.

import type { Request } from "../../kernel/index.ts";
import { unless } from "../../kernel/index.ts";
import {
  addElements,
  deleteElements,
  type Element,
  isMadeBy,
  type Nftables,
  type Table,
} from "../../kernel/nftables/index.ts";

/** A table as it is to be. */
export interface WantedTable {
  readonly table: Table;
  /** Requests for its constant part: chains, sets, rules. */
  readonly layout: readonly Request[];
  /** The elements of each set that is to have any. */
  readonly elements: ReadonlyMap<string, readonly Element[]>;
}

/** `everything`: chains, sets or rules differ. Otherwise what elements to change; none when the kernel has it all. */
export type Difference = "everything" | readonly Request[];

/** Compares with dumps; counters do not matter. The table must be there. */
export async function differenceFrom(
  nftables: Nftables,
  wanted: WantedTable,
  sets: readonly string[],
): Promise<Difference> {
  const { table, layout, elements } = wanted;
  if (!isMadeBy(layout, await nftables.describe(table))) return "everything";
  const changes = await Promise.all(
    sets.map(async (set) => {
      const is = await unless(["ENOENT"], nftables.elements(table, set));
      return is && elementChanges(table, set, { is, wanted: elements.get(set) ?? [] });
    }),
  );
  return changes.includes(undefined) ? "everything" : changes.flatMap((each) => each ?? []);
}

/** Additions come first where they can; a key that leads elsewhere now has to go before it can come. */
function elementChanges(
  table: Table,
  set: string,
  { is, wanted }: { readonly is: readonly Element[]; readonly wanted: readonly Element[] },
): Request[] {
  const there = new Map(is.map((element) => [elementText(element), element]));
  const toBe = new Map(wanted.map((element) => [elementText(element), element]));
  const gone = [...there].flatMap(([text, element]) => (toBe.has(text) ? [] : [element]));
  const come = [...toBe].flatMap(([text, element]) => (there.has(text) ? [] : [element]));
  return [...deleteElements(table, set, gone), ...addElements(table, set, come)];
}

function elementText({ key, keyEnd, data, intervalEnd }: Element): string {
  const value = data instanceof Uint8Array ? text(data) : JSON.stringify(data);
  return `${text(key)} ${keyEnd ? text(keyEnd) : ""} ${value} ${intervalEnd ?? false}`;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
