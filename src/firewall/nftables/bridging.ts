// How the kernel lets us see frames between two ports of one bridge, which plain forwarding rules never do.

import { addTable, deleteTable, type Nftables, type Table } from "../../kernel/nftables/index.ts";
import type { Family } from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import { callBridgeNetfilter } from "../bridge-netfilter.ts";

/**
 * `table`: nftables' bridge family (CONFIG_NF_TABLES_BRIDGE). `netfilter`: br_netfilter hands the packets of all bridges
 * to the forwarding rules, as Docker has it; guards it cannot do.
 */
export type Bridging = "table" | "netfilter";

/**
 * Finds a way and, for br_netfilter, switches it on.
 * @throws not-implemented when the kernel has neither
 */
export async function prepareBridging(
  nftables: Nftables,
  families: readonly Family[],
  netns: string | undefined,
): Promise<Bridging> {
  if (await hasBridgeFamily(nftables)) return "table";
  for (const family of families) await callBridgeNetfilter(family, netns);
  return "netfilter";
}

const probe: Table = { family: "bridge", name: "tsdocker-probe" };

/** Tries a table in a transaction that takes it away again. */
export async function hasBridgeFamily(nftables: Nftables): Promise<boolean> {
  try {
    await nftables.commit([addTable(probe), deleteTable(probe)]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "ENOENT", "EAFNOSUPPORT")) return false;
    throw error;
  }
}
