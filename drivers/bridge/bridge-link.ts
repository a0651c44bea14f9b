// The bridge device of a network: made or adopted, given its addresses and sysctls.

import type { Host } from "../../src/driverapi/index.ts";
import { type Mac, type Prefix, randomMac } from "../../src/netip/index.ts";
import { conflict, wrapError } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { isAdopted, noteAdoption } from "./adopted.ts";
import { deletedMark, markedId, markOf } from "./mark.ts";
import { isTooNarrowForIpv6, wantedMtu } from "./mtu.ts";
import type { BridgeConfig } from "./options.ts";

/** A bridge device in the host's netns. */
export interface BridgeLink {
  readonly name: string;
  readonly index: number;
  /** Deleted with the network; false for a device that somebody else made. */
  readonly isOurs: boolean;
  /** When it was made or taken. */
  readonly mtu: number;
  readonly mac: Mac | undefined;
}

/**
 * Makes the device, or takes the one that is there; both end up with the network's addresses, and up. On somebody else's
 * nothing but that is changed.
 */
export async function makeBridge(host: Host, config: BridgeConfig): Promise<BridgeLink> {
  await using undo = new Undo(host.log);
  try {
    const link = await findOrCreate(host, config, undo);
    const sysctls = sysctlsOf(host, config, link);
    const addresses = addressesOf(config);
    if (!link.isOurs) await noteAdoption(host, config, { index: link.index, addresses, sysctls });
    // before it is up: no router advertisement may reach the host through a container
    await host.sysctl.writeAll(sysctls);
    await host.netlink.send(...addressRequests(host, addresses, link), upRequest(host, config, link));
    undo.forget();
    return link;
  } catch (error) {
    throw wrapError(error, `create bridge ${config.link}`);
  }
}

async function findOrCreate(host: Host, config: BridgeConfig, undo: Undo): Promise<BridgeLink> {
  // one that was adopted and is gone had a purpose that a new, empty one does not serve
  if (isAdopted(host, config.networkId)) return await adoptLink(host, config);
  const isNew = await createLink(host, config, undo);
  return isNew ? await findLink(host, config) : await adoptLink(host, config);
}

/** False when the name is taken. */
async function createLink(host: Host, config: BridgeConfig, undo: Undo): Promise<boolean> {
  const { createBridge, deleteLink, hasCode, unless } = host.link;
  const { link: name, networkId } = config;
  const mtu = wantedMtu(host, config);
  undo.defer("delete bridge", () => unless(["ENODEV"], host.netlink.send(deleteLink(name))));
  try {
    // a MAC of its own: the kernel would take the lowest of the ports' and change it with them
    await host.netlink.send(
      createBridge({ name, mac: randomMac(), alias: markOf(networkId), ...(mtu !== undefined && { mtu }) }),
    );
    return true;
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
    undo.forget();
    return false;
  }
}

async function findLink(host: Host, { link: name }: BridgeConfig): Promise<BridgeLink> {
  const link = await host.netlink.link(name);
  if (!link) throw conflict(`the device ${name} was removed by somebody else`);
  return { name, index: link.index, isOurs: true, mtu: link.mtu, mac: link.mac };
}

async function adoptLink(host: Host, { link: name, networkId }: BridgeConfig): Promise<BridgeLink> {
  const link = await host.netlink.link(name);
  if (!link) throw conflict(`the device ${name}, which was there before the network, is gone: make it again`);
  if (link.kind !== "bridge") throw conflict(`the device ${name} is there already and is not a bridge`);
  const { index, alias, mtu, mac } = link;
  // a stop had no time to delete it
  const isLeft = alias === deletedMark;
  if (isLeft) await host.netlink.send(host.link.setLink(index, { alias: markOf(networkId) }));
  return { name, index, isOurs: isLeft || markedId(alias) === networkId, mtu, mac };
}

function addressRequests(host: Host, addresses: readonly Prefix[], { index }: BridgeLink) {
  return addresses.map((prefix) =>
    host.link.addAddress(
      { link: index, prefix, ...(prefix.address.family === 4 ? { broadcast: "auto" } : { noDad: true }) },
      { replace: true },
    ),
  );
}

function upRequest(host: Host, config: BridgeConfig, { index, isOurs, mtu }: BridgeLink) {
  const wanted = isOurs ? wantedMtu(host, config) : undefined;
  return host.link.setLink(index, {
    up: true,
    ...(wanted !== undefined && wanted !== mtu && { mtu: wanted }),
  });
}

/** By what the firewall tells a bridge's ports from all other links: the link group that they wear ("td", and the index). */
export function portGroup({ index }: Pick<BridgeLink, "index">): number {
  return 0x7464_0000 + index;
}

/** The gateway of each subnet, unless the host is to stay off the network. */
export function addressesOf({ ipv4, ipv6, inhibitIpv4, modeIpv4, modeIpv6 }: BridgeConfig): Prefix[] {
  const own4 = inhibitIpv4 || modeIpv4 === "isolated" ? [] : ipv4;
  const own6 = modeIpv6 === "isolated" ? [] : ipv6;
  return [...own4, ...own6].flatMap(({ gateway }) => gateway ?? []);
}

/** Writes the settings of a bridge again, which the kernel forgets with its IPv6. */
export async function writeSysctls(
  host: Pick<Host, "settings" | "sysctl">,
  config: BridgeConfig,
  link: BridgeLink,
): Promise<void> {
  await host.sysctl.writeAll(sysctlsOf(host, config, link));
}

function sysctlsOf(
  host: Pick<Host, "settings">,
  config: BridgeConfig,
  { isOurs }: BridgeLink,
): Record<string, string> {
  if (!isOurs) return adoptedSysctls(config);
  return ownSysctls(config, host.settings.ipv6 && !isTooNarrowForIpv6(wantedMtu(host, config)));
}

/** A name may hold dots, so keys are in the form with slashes. */
function ownSysctls({ link: name, ipv6 }: BridgeConfig, mayHaveIpv6: boolean): Record<string, string> {
  const hasIpv6 = ipv6.length > 0;
  const sysctls6 = {
    [`net/ipv6/conf/${name}/accept_ra`]: "0",
    // the bridge asks for containers' MACs from its link-local address: its first second must not go to looking for a
    // duplicate of a random one
    ...(hasIpv6 && { [`net/ipv6/conf/${name}/accept_dad`]: "0" }),
    [`net/ipv6/conf/${name}/disable_ipv6`]: hasIpv6 ? "0" : "1",
  };
  return { ...(mayHaveIpv6 ? sysctls6 : {}), [routeLocalnet(name)]: "1" };
}

/** Router advertisements may be what somebody else's bridge lives by, and it may have IPv6 of its own. */
function adoptedSysctls({ link: name, ipv6 }: BridgeConfig): Record<string, string> {
  return {
    ...(ipv6.length > 0 && { [`net/ipv6/conf/${name}/disable_ipv6`]: "0" }),
    [routeLocalnet(name)]: "1",
  };
}

/** Ports published on 127.0.0.1 are translated in the kernel; the firewall drops 127.0.0.0/8 from every other link. */
function routeLocalnet(name: string): string {
  return `net/ipv4/conf/${name}/route_localnet`;
}
