// What a process of before left with another back end: starting one back end removes the rules of the others.

import type { IptablesVariant } from "../kernel/iptables/index.ts";
import { legacyIptablesTables } from "../kernel/iptables/index.ts";
import { type Nftables, openNftables } from "../kernel/nftables/index.ts";
import type { Backend } from "./backend.ts";
import { iptablesBackend } from "./iptables/backend.ts";
import { marker } from "./iptables/tables.ts";
import { removeMainTable, removeNftables } from "./nftables/our-tables.ts";

/** The nftables back end, with what iptables back ends left removed behind its first rules: never a moment without rules. */
export function withoutIptables(backend: Backend, nftables: Nftables, netns: string | undefined): Backend {
  return withFirstRestore(backend, () => removeIptables(nftables, netns));
}

/** The back end of no rules, with what the others left removed. */
export function withoutAny(backend: Backend, netns: string | undefined): Backend {
  return withFirstRestore(backend, async () => {
    await removeNftables(netns);
    const nftables = await openNftables(netns).catch(() => undefined);
    try {
      await removeIptables(nftables, netns);
    } finally {
      await nftables?.close();
    }
  });
}

/** The iptables back end, with what an nftables back end left removed behind its first rules; both use its table for bridges. */
export function withoutNftables(backend: Backend, netns: string | undefined): Backend {
  return withFirstRestore(backend, () => removeMainTable(netns));
}

async function removeIptables(nftables: Nftables | undefined, netns: string | undefined): Promise<void> {
  const variants: IptablesVariant[] = [];
  if (nftables && (await hasMarkedChains(nftables))) variants.push("nft");
  if ((await legacyIptablesTables(netns)).length > 0) variants.push("legacy");
  for (const variant of variants)
    await iptablesBackend({ netns, variant, ipv6: true, loopbackNat: true }).remove();
}

function withFirstRestore(backend: Backend, behind: () => Promise<void>): Backend {
  let isFirst = true;
  const restore: Backend["restore"] = async (rules) => {
    const hasChanged = await backend.restore(rules);
    if (isFirst) await behind();
    isFirst = false;
    return hasChanged;
  };
  return {
    name: backend.name,
    restore,
    apply: (change, all) => backend.apply(change, all),
    watch: (changed) => backend.watch(changed),
    remove: () => backend.remove(),
    close: () => backend.close(),
  };
}

/**
 * iptables-nft keeps its chains in nftables tables with the names of iptables': a machine without iptables has none, and
 * needs none to be asked.
 */
async function hasMarkedChains(nftables: Nftables): Promise<boolean> {
  const names = ["filter", "nat", "raw"];
  const tables = (await nftables.tables()).filter(({ name }) => names.includes(name));
  const found = await Promise.all(tables.map((table) => nftables.chains(table)));
  return found.flat().some(({ name }) => name === marker);
}
