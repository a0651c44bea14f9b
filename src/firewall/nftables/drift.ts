// What of a table the kernel has, held against what is wanted: the least that makes it so.

import type { Request } from "../../kernel/index.ts";
import { unless } from "../../kernel/index.ts";
import {
  type Element,
  elementChanges,
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
      const dump = await unless(["ENOENT"], nftables.describeElements(table, set));
      return dump && elementChanges(table, set, { dump, wanted: elements.get(set) ?? [] });
    }),
  );
  return changes.includes(undefined) ? "everything" : changes.flatMap((each) => each ?? []);
}
