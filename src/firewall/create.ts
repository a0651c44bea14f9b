// Builds the firewall that a daemon asked for.

import { notImplemented } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { firewallOn, type OwnedFirewall } from "./firewall.ts";
import { openNftablesBackend } from "./nftables/backend.ts";
import { noBackend } from "./none.ts";
import type { Firewall } from "./rules.ts";

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
  readonly log?: Log;
}

/**
 * A firewall that collects rules until `start()`.
 * @throws when the kernel lacks what the back end needs
 */
export async function createFirewall(options: FirewallOptions): Promise<OwnedFirewall> {
  const { netns, ipv6 = true, loopbackNat = true, log } = options;
  switch (options.backend) {
    case "nftables":
      return firewallOn(await openNftablesBackend({ netns, ipv6, loopbackNat }), log);
    case "iptables":
      throw notImplemented("make an iptables firewall: not there yet");
    case "none":
      return firewallOn(noBackend, log);
  }
}
