// Virtual addresses of services inside a container's namespace, as they are in force: who changes what the table holds
// reads back what is there, so nothing has to be remembered over a restart.

import {
  type Address,
  addressFromBytes,
  type Family,
  formatAddress,
  parseAddress,
} from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import { openConntrack } from "../conntrack.ts";
import type { Request } from "../request.ts";
import {
  type BalancedService,
  balancedFamilies,
  balanceElements,
  balanceRequests,
  balanceTable as table,
} from "./balance-table.ts";
import { isMadeBy } from "./compare.ts";
import { elementChanges } from "./element-changes.ts";
import { addTable, deleteTable } from "./request.ts";
import { type Nftables, openNftables } from "./socket.ts";
import type { Element } from "./values.ts";

/**
 * Balances these virtual addresses, and no others, over their backends for whoever is in the namespace (path of its
 * file); undefined takes all of it away. One transaction. Connections to a backend that serves no longer are cut: what
 * their clients send next goes to another one, or is refused. Repeating a call changes nothing.
 */
export async function setBalance(
  netns: string,
  services: readonly BalancedService[] | undefined,
): Promise<void> {
  const wanted = balanceElements(services ?? []);
  const before = await change(netns, services && wanted);
  const served = pairsIn(wanted);
  await cutFlows(
    netns,
    [...pairsIn(before)].filter((pair) => !served.has(pair)),
  );
}

type Elements = ReadonlyMap<string, readonly Element[]>;

/** Answers what was there before. */
async function change(netns: string, wanted: Elements | undefined): Promise<Elements> {
  await using nftables = await openNftables(netns);
  const before = await readElements(nftables);
  if (wanted) await nftables.commit(await changes(nftables, { isThere: before !== undefined, wanted }));
  else if (before) await nftables.commit([addTable(table), deleteTable(table)]);
  return before ?? new Map();
}

const setNames = [...balanceElements([]).keys()];

/** What the table holds; undefined when there is none. */
async function readElements(nftables: Nftables): Promise<Elements | undefined> {
  if (!(await nftables.tables()).some(({ family, name }) => family === table.family && name === table.name))
    return undefined;
  const read = async (set: string) =>
    [set, await nftables.elements(table, set).catch(unlessMissing)] as const;
  return new Map(await Promise.all(setNames.map(read)));
}

/** Somebody who may change the namespace has deleted a set: what is missing is made again. */
function unlessMissing(error: unknown): Element[] {
  if (hasCode(error, "ENOENT")) return [];
  throw error;
}

async function changes(
  nftables: Nftables,
  { isThere, wanted }: { readonly isThere: boolean; readonly wanted: Elements },
): Promise<Request[]> {
  const layout = balanceRequests();
  const isWhole = isThere && isMadeBy(layout, await nftables.describe(table));
  const elements = setNames.map(async (set) =>
    elementChanges(table, set, {
      dump: isWhole ? await nftables.describeElements(table, set) : [],
      wanted: wanted.get(set) ?? [],
    }),
  );
  // deleting costs the kernel a wait of 10 to 20 ms: where nothing is nothing is deleted
  const removal = isThere ? [addTable(table), deleteTable(table)] : [];
  const making = isWhole ? [] : [...removal, addTable(table), ...layout];
  return [...making, ...(await Promise.all(elements)).flat()];
}

/** Each virtual address with each of its backends, as text. */
function pairsIn(elements: Elements): Set<string> {
  const pairs = balancedFamilies.flatMap((family) =>
    (elements.get(`backends${family}`) ?? []).flatMap(({ key, data }) =>
      data instanceof Uint8Array ? `${addressText(key.subarray(0, data.length))} ${addressText(data)}` : [],
    ),
  );
  return new Set(pairs);
}

function addressText(bytes: Uint8Array): string {
  return formatAddress(addressFromBytes(bytes));
}

async function cutFlows(netns: string, pairs: readonly string[]): Promise<void> {
  if (pairs.length === 0) return;
  await using conntrack = await openConntrack(netns);
  await conntrack.deleteAny(
    pairs.flatMap((pair) => {
      const [vip, backend] = pair.split(" ").map(parseAddress);
      return vip && backend ? [flowsOf(vip, backend)] : [];
    }),
  );
}

function flowsOf(vip: Address, backend: Address) {
  const family: Family = vip.family;
  const filter = { family, originalDestination: vip, replySource: backend };
  return { filter, exact: [filter], among: [vip], isUnwanted: () => true };
}
