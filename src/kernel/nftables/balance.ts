// Virtual addresses of services inside a container's namespace, as they are in force.

import {
  type Address,
  addressFromBytes,
  type Family,
  formatAddress,
  parseAddress,
} from "../../netip/index.ts";
import { openConntrack } from "../conntrack.ts";
import {
  type BalancedService,
  balancedFamilies,
  balanceElements,
  balanceRequests,
  balanceTable,
} from "./balance-table.ts";
import { type Elements, settleTable } from "./settled-table.ts";

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
  const before = await settleTable(netns, {
    table: balanceTable,
    layout: balanceRequests(),
    elements: services && wanted,
    sets: [...wanted.keys()],
  });
  const served = pairsIn(wanted);
  await cutFlows(
    netns,
    [...pairsIn(before)].filter((pair) => !served.has(pair)),
  );
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
