// What a process of before left with another back end: starting one back end removes the rules of the others.

import type { IptablesVariant } from "../kernel/iptables/index.ts";
import { legacyIptablesTables } from "../kernel/iptables/index.ts";
import { openNftables } from "../kernel/nftables/index.ts";
import type { Backend } from "./backend.ts";
import { iptablesBackend } from "./iptables/backend.ts";
import { marker } from "./iptables/tables.ts";
import { removeNftables } from "./nftables/backend.ts";

/** The back end, with the rules of all others removed behind its first reset: there is no moment without any. */
export function alone(backend: Backend, netns: string | undefined): Backend {
  let isAlone = false;
  const reset: Backend["reset"] = async (rules) => {
    await backend.reset(rules);
    if (isAlone) return;
    if (backend.name === "iptables") await removeNftables(netns);
    else await removeIptables(netns);
    isAlone = true;
  };
  return {
    name: backend.name,
    reset,
    apply: (change, all) => backend.apply(change, all),
    isIntact: () => backend.isIntact(),
    ...(backend.watch ? { watch: backend.watch.bind(backend) } : {}),
    remove: () => backend.remove(),
    close: () => backend.close(),
  };
}

/** Runs iptables only where its tables hold something of ours: a machine without iptables needs none. */
async function removeIptables(netns: string | undefined): Promise<void> {
  const variants: IptablesVariant[] = [];
  if (await hasMarkedChains(netns)) variants.push("nft");
  if ((await legacyIptablesTables(netns)).length > 0) variants.push("legacy");
  for (const variant of variants)
    await iptablesBackend({ netns, variant, ipv6: true, loopbackNat: true }).remove();
}

/** iptables-nft keeps its chains in nftables tables with the names of iptables'. */
async function hasMarkedChains(netns: string | undefined): Promise<boolean> {
  await using nftables = await openNftables(netns);
  const tables = (["ip", "ip6"] as const).flatMap((family) =>
    ["filter", "nat", "raw"].map((name) => ({ family, name })),
  );
  const found = await Promise.all(tables.map((table) => nftables.chains(table)));
  return found.flat().some(({ name }) => name === marker);
}
