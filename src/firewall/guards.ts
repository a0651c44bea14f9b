// Guards of bridge ports in a network namespace that holds nothing but a bridge: the firewall's table for frames alone.

import { openNftables } from "../kernel/nftables/index.ts";
import { hasCode } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { firewallOn, type OwnedFirewall } from "./firewall.ts";
import { nftablesBackend } from "./nftables/backend.ts";
import { hasBridgeFamily, withoutGuards } from "./nftables/bridging.ts";
import { canOwnTables } from "./nftables/probe.ts";

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
    return firewallOn(nftablesBackend(await openNftables(netns), { ...options, scope: "bridge" }), { log });
  };
}

interface Abilities {
  readonly isAble: boolean;
  readonly owned: boolean;
}

async function askKernel(netns: string): Promise<Abilities> {
  try {
    await using nftables = await openNftables(netns);
    const isAble = await hasBridgeFamily(nftables);
    return { isAble, owned: isAble && (await canOwnTables(nftables)) };
  } catch (error) {
    if (hasCode(error, "EPROTONOSUPPORT")) return { isAble: false, owned: false };
    throw error;
  }
}
