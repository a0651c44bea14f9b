// The bridge device of a network: made or adopted, given its addresses and sysctls.

import type { Host } from "../../src/driverapi/index.ts";
import { type Prefix, randomMac } from "../../src/netip/index.ts";
import { conflict, wrapError } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import type { BridgeConfig } from "./options.ts";

/** A bridge device in the host's netns. */
export interface BridgeLink {
  readonly name: string;
  readonly index: number;
  /** Deleted with the network; false for a device that somebody else made. */
  readonly isOurs: boolean;
}

const mark = "tsdocker:";

/** How our devices are told from others: an alias that names the network (or the endpoint, on a veth). */
export function markOf(id: string): string {
  return mark + id;
}

/** The id that a link is marked with, if it is ours. */
export function markedId(alias: string | undefined): string | undefined {
  return alias?.startsWith(mark) ? alias.slice(mark.length) : undefined;
}

/** Makes the device, or takes the one that is there; both end up with the network's addresses, and up. */
export async function makeBridge(host: Host, config: BridgeConfig): Promise<BridgeLink> {
  await using undo = new Undo(host.log);
  try {
    const isNew = await createLink(host, config, undo);
    const link = isNew ? await findLink(host, config) : await adoptLink(host, config);
    // before it is up: no router advertisement may reach the host through a container
    await host.sysctl.writeAll(sysctlsOf(config, link, host.settings.ipv6));
    await host.netlink.send(...addressRequests(host, config, link), upRequest(host, config, link));
    undo.forget();
    return link;
  } catch (error) {
    throw wrapError(error, `create bridge ${config.link}`);
  }
}

/** False when the name is taken. */
async function createLink(host: Host, config: BridgeConfig, undo: Undo): Promise<boolean> {
  const { createBridge, deleteLink, hasCode, unless } = host.link;
  const { link: name, mtu, networkId } = config;
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
  return { name, index: link.index, isOurs: true };
}

function addressRequests(host: Host, config: BridgeConfig, { index }: BridgeLink) {
  return addressesOf(config).map((prefix) =>
    host.link.addAddress(
      { link: index, prefix, ...(prefix.address.family === 4 ? { broadcast: "auto" } : { noDad: true }) },
      { replace: true },
    ),
  );
}

function upRequest(host: Host, { mtu }: BridgeConfig, { index }: BridgeLink) {
  return host.link.setLink(index, { up: true, ...(mtu !== undefined && { mtu }) });
}

async function adoptLink(host: Host, { link: name, networkId }: BridgeConfig): Promise<BridgeLink> {
  const link = await host.netlink.link(name);
  if (link?.kind !== "bridge") throw conflict(`the device ${name} is there already and is not a bridge`);
  return { name, index: link.index, isOurs: markedId(link.alias) === networkId };
}

function addressesOf({ ipv4, ipv6, inhibitIpv4, modeIpv4, modeIpv6 }: BridgeConfig): Prefix[] {
  const own4 = inhibitIpv4 || modeIpv4 === "isolated" ? undefined : ipv4?.gateway;
  const own6 = modeIpv6 === "isolated" ? undefined : ipv6?.gateway;
  return [own4, own6].filter((prefix) => prefix !== undefined);
}

/** A name may hold dots, so keys are in the form with slashes. */
function sysctlsOf(
  config: BridgeConfig,
  { name, isOurs }: BridgeLink,
  hostHasIpv6: boolean,
): Record<string, string> {
  const ipv6 = {
    [`net/ipv6/conf/${name}/accept_ra`]: "0",
    // somebody else's bridge may have IPv6 of its own
    // the bridge asks for containers' MACs from its link-local address: its first second must not go to looking for a
    // duplicate of a random one
    ...(isOurs && config.ipv6 && { [`net/ipv6/conf/${name}/accept_dad`]: "0" }),
    ...((isOurs || config.ipv6) && { [`net/ipv6/conf/${name}/disable_ipv6`]: config.ipv6 ? "0" : "1" }),
  };
  return {
    ...(hostHasIpv6 ? ipv6 : {}),
    // ports published on 127.0.0.1 are translated in the kernel; the firewall drops 127.0.0.0/8 from every other link
    [`net/ipv4/conf/${name}/route_localnet`]: "1",
  };
}
