// Builds the firewall that a daemon asked for.

import type { IptablesVariant } from "../kernel/iptables/index.ts";
import { openNftables, tableFlag } from "../kernel/nftables/index.ts";
import type { Log } from "../util/log.ts";
import type { Backend } from "./backend.ts";
import { fenced } from "./fence.ts";
import { firewallOn, type OwnedFirewall } from "./firewall.ts";
import { withFrames } from "./frames.ts";
import { type IptablesOptions, iptablesBackend } from "./iptables/backend.ts";
import { withoutAny, withoutIptables, withoutNftables } from "./leftovers.ts";
import { type NftablesOptions, nftablesBackend } from "./nftables/backend.ts";
import { mainTableState } from "./nftables/our-tables.ts";
import { canOwnTables, probeNftables } from "./nftables/probe.ts";
import { noBackend } from "./none.ts";
import type { AcceptMark, Firewall } from "./rules.ts";
import { staleFlowsIn } from "./stale-flows.ts";

export interface FirewallOptions {
  readonly backend: Firewall["backend"];
  /** Path of the netns to work in; undefined = the process's own. */
  readonly netns?: string;
  /** Rules for IPv6 too. Default: true. */
  readonly ipv6?: boolean;
  /**
   * Connections of the host to a port published on 127.0.0.1 (or on every address) are translated in the kernel. Needs
   * `net.ipv4.conf.<bridge>.route_localnet=1` on each bridge; without it they are left to the forwarder. Default: true.
   */
  readonly loopbackNat?: boolean;
  /** Which iptables the iptables back end uses. Default: the one that the system calls `iptables`. */
  readonly iptables?: IptablesVariant;
  /**
   * nftables: tables that nobody else can change, flush or delete while this process lives, and that stay when it ends.
   * Default: where the kernel has them (Linux 6.9); else others' changes are seen and repaired.
   */
  readonly ownTables?: boolean;
  /** Packets with this mark are let through (`bridge-accept-fwmark`). */
  readonly acceptMark?: AcceptMark | undefined;
  /** Called when somebody else's change was found and undone. */
  readonly onRepaired?: () => void;
  readonly log?: Log;
}

/**
 * A firewall that collects rules until `start()`.
 * @throws when the kernel lacks what the back end needs
 */
export async function createFirewall(options: FirewallOptions): Promise<OwnedFirewall> {
  const { netns, ipv6 = true, loopbackNat = true, iptables = "default", acceptMark } = options;
  switch (options.backend) {
    case "nftables":
      return firewallOn(await nftables({ netns, ipv6, loopbackNat, acceptMark }, options.ownTables), {
        ...options,
        staleFlows: staleFlowsIn(netns),
      });
    case "iptables":
      return firewallOn(await iptablesFenced({ netns, ipv6, loopbackNat, variant: iptables, acceptMark }), {
        ...options,
        staleFlows: staleFlowsIn(netns),
      });
    case "none":
      return firewallOn(withoutAny(noBackend, netns), options);
  }
}

async function iptablesFenced(options: IptablesOptions): Promise<Backend> {
  const build = (isFenced: boolean) => withFrames(iptablesBackend({ ...options, isFenced }), options);
  return withoutNftables(await fenced(build, options), options.netns);
}

async function nftables(options: Omit<NftablesOptions, "owned">, own?: boolean): Promise<Backend> {
  const handle = await openNftables(options.netns);
  try {
    const made = await mainTableState(handle);
    // where our table is the kernel has shown what it can: a start that finds all as it should be writes nothing
    if (!made) await probeNftables(handle);
    const isOwnable = ((made?.flags ?? 0) & tableFlag.persist) !== 0;
    const owned = own ?? (isOwnable || (await canOwnTables(handle)));
    const backend = nftablesBackend(handle, { ...options, owned });
    return withoutIptables(
      owned ? backend : await fenced(async () => backend, options),
      handle,
      options.netns,
    );
  } catch (error) {
    await handle.close();
    throw error;
  }
}
