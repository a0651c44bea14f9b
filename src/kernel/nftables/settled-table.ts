// A table of our own in somebody's namespace, brought to what is wished by comparing it with what is there: nothing about
// it has to be remembered over a restart.

import { hasCode } from "../../util/errors.ts";
import type { Request } from "../request.ts";
import { isMadeBy } from "./compare.ts";
import { elementChanges } from "./element-changes.ts";
import { addTable, deleteTable } from "./request.ts";
import { type Nftables, openNftables } from "./socket.ts";
import type { Element, Table } from "./values.ts";

/** Elements by set. */
export type Elements = ReadonlyMap<string, readonly Element[]>;

/** What a table is to be. */
export interface WishedTable {
  readonly table: Table;
  /** Chains, sets and rules, in the order in which they are made. */
  readonly layout: readonly Request[];
  /** Of every set; undefined: there is to be no such table. */
  readonly elements: Elements | undefined;
  /** All sets by name. */
  readonly sets: readonly string[];
}

/** Makes it so in the namespace (path of its file), in one transaction. Answers the elements that were there before. */
export async function settleTable(netns: string, wished: WishedTable): Promise<Elements> {
  const { table, elements } = wished;
  await using nftables = await openNftables(netns);
  const before = await readElements(nftables, wished);
  if (elements)
    await nftables.commit(await changes(nftables, { ...wished, elements, isThere: before !== undefined }));
  else if (before) await nftables.commit([addTable(table), deleteTable(table)]);
  return before ?? new Map();
}

/** What the table holds; undefined when there is none. */
async function readElements(nftables: Nftables, { table, sets }: WishedTable): Promise<Elements | undefined> {
  const isTable = ({ family, name }: Table) => family === table.family && name === table.name;
  if (!(await nftables.tables()).some(isTable)) return undefined;
  const read = async (set: string) =>
    [set, await nftables.elements(table, set).catch(unlessMissing)] as const;
  return new Map(await Promise.all(sets.map(read)));
}

/** Somebody who may change the namespace has deleted a set: what is missing is made again. */
function unlessMissing(error: unknown): Element[] {
  if (hasCode(error, "ENOENT")) return [];
  throw error;
}

interface Change extends WishedTable {
  readonly elements: Elements;
  readonly isThere: boolean;
}

async function changes(
  nftables: Nftables,
  { table, layout, elements, sets, isThere }: Change,
): Promise<Request[]> {
  const isWhole = isThere && isMadeBy(layout, await nftables.describe(table));
  const fillings = sets.map(async (set) =>
    elementChanges(table, set, {
      dump: isWhole ? await nftables.describeElements(table, set) : [],
      wanted: elements.get(set) ?? [],
    }),
  );
  // deleting costs the kernel a wait of 10 to 20 ms: where nothing is nothing is deleted
  const removal = isThere ? [addTable(table), deleteTable(table)] : [];
  const making = isWhole ? [] : [...removal, addTable(table), ...layout];
  return [...making, ...(await Promise.all(fillings)).flat()];
}
