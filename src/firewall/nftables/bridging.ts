// How the kernel lets us see packets between two ports of one bridge, which plain forwarding rules never do.

import { addTable, deleteTable, type Nftables } from "../../kernel/nftables/index.ts";
import type { Family } from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import { callBridgeNetfilter } from "../bridge-netfilter.ts";
import { bridgeLayout } from "./layout.ts";
import { bridgeTable } from "./sets.ts";

/**
 * `table`: nftables' bridge family can tell bridges by name (CONFIG_NFT_BRIDGE_META); only our bridges are looked at.
 * `netfilter`: br_netfilter hands the packets of all bridges to the forwarding rules, as Docker has it.
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
  if (await hasBridgeMeta(nftables)) return "table";
  for (const family of families) await callBridgeNetfilter(family, netns);
  return "netfilter";
}

/** Tries the table in a transaction that takes it away again. */
async function hasBridgeMeta(nftables: Nftables): Promise<boolean> {
  try {
    await nftables.commit([
      addTable(bridgeTable),
      deleteTable(bridgeTable),
      ...bridgeLayout(),
      deleteTable(bridgeTable),
    ]);
    return true;
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP", "ENOENT", "EAFNOSUPPORT")) return false;
    throw error;
  }
}
