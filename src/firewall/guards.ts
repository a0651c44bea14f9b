// Guards of bridge ports in a network namespace that holds nothing but a bridge: the firewall's table for frames alone.

import { addTable, deleteTable, openNftables, type Table } from "../kernel/nftables/index.ts";
import { hasCode } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { firewallOn, type OwnedFirewall } from "./firewall.ts";
import { nftablesBackend } from "./nftables/backend.ts";
import { hasBridgeFamily, withoutGuards } from "./nftables/bridging.ts";

/** A firewall for rules of the kind `guard` in a namespace (path of its file); it collects until `start()`. */
export type GuardsMaker = (netns: string, log: Log) => Promise<OwnedFirewall>;

/** What the kernel can do is asked once, in the first namespace. */
export function createGuards(): GuardsMaker {
  let asked: Promise<Abilities> | undefined;
  return async (netns, log) => {
    asked ??= askKernel(netns).catch((error) => {
      asked = undefined;
      throw error;
    });
    const { isAble, owned } = await asked;
    if (!isAble) throw withoutGuards();
    const options = { netns, ipv6: true, loopbackNat: false, owned, hasBridgeFamily: true };
    return firewallOn(nftablesBackend(await openNftables(netns), { ...options, scope: "guards" }), { log });
  };
}

interface Abilities {
  readonly isAble: boolean;
  readonly owned: boolean;
}

/** In one transaction where the kernel has all of it: taking a table away again costs it some 15 ms. */
async function askKernel(netns: string): Promise<Abilities> {
  try {
    await using nftables = await openNftables(netns);
    try {
      await nftables.commit([addTable(probe, { owned: true }), deleteTable(probe)]);
      return { isAble: true, owned: true };
    } catch (error) {
      if (!hasCode(error, "EOPNOTSUPP", "EINVAL", "ENOENT", "EAFNOSUPPORT")) throw error;
      return { isAble: await hasBridgeFamily(nftables), owned: false };
    }
  } catch (error) {
    if (hasCode(error, "EPROTONOSUPPORT")) return { isAble: false, owned: false };
    throw error;
  }
}

const probe: Table = { family: "bridge", name: "tsdocker-probe" };
