// The link of an endpoint: a veth pair, one end a port of the bridge, the other in the sandbox from its first moment.

import type { Host, JoinRequest } from "../../src/driverapi/index.ts";
import { checkLinkName } from "../../src/driverkit/index.ts";
import type { Mac } from "../../src/netip/index.ts";
import { conflict, hasCode, wrapError } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { type BridgeLink, portGroup } from "./bridge-link.ts";
import { markOf } from "./mark.ts";
import { isTooNarrowForIpv6, portMtu } from "./mtu.ts";
import { type BridgeConfig, endpointOptionNames } from "./options.ts";

type DriverOptions = Readonly<Record<string, string>>;

/** Name of the bridge's end: the user's choice, or our own; 15 characters are all that Linux has for one. @throws invalid */
export function portName(endpointId: string, driverOpts: DriverOptions = {}): string {
  const option = endpointOptionNames.hostInterfaceName;
  const name = driverOpts[option];
  return name ? checkLinkName(option, name) : `veth${endpointId.slice(0, 11)}`;
}

export interface PortSpec {
  readonly config: BridgeConfig;
  readonly bridge: BridgeLink;
  readonly mac: Mac | undefined;
  /** Name of the bridge's end. */
  readonly port: string;
  /** Name in the sandbox. */
  readonly name: string;
  readonly isHairpin: boolean;
}

/**
 * Makes the pair in one message: up on the bridge's side, down, with its name and MAC, in the sandbox. Answers the index
 * there.
 */
export async function makePort(host: Host, request: JoinRequest, spec: PortSpec): Promise<number> {
  const { port, bridge } = spec;
  const { endpointId } = request;
  await using undo = new Undo(host.log);
  try {
    undo.defer("delete port", () => deletePort(host, { endpointId, port }));
    const index = (await makeIndexedPair(host, request, spec)) ?? (await makePair(host, request, spec));
    undo.forget();
    return index;
  } catch (error) {
    const taken = hasCode(error, "EEXIST") && (await takenName(host, endpointId, spec));
    throw wrapError(taken || error, `connect ${port} to bridge ${bridge.name}`);
  }
}

/**
 * With both indexes chosen there is nothing to be asked afterwards. The one in the sandbox is heard only along with one
 * for the bridge's end (veth_newlink in drivers/net/veth.c). Undefined when an index is taken, or a name; and for a port
 * whose name the user chose: the mark, which goes along, could then be put on somebody else's link of that name.
 */
async function makeIndexedPair(
  host: Host,
  request: JoinRequest,
  spec: PortSpec,
): Promise<number | undefined> {
  const { endpointId, freeIndex } = request;
  if (spec.port !== portName(endpointId)) return undefined;
  const { alias, ...pair } = pairSpec(host, request, spec);
  const indexed = { ...pair, index: portIndex(endpointId), peer: { ...pair.peer, index: freeIndex } };
  const mark = host.link.setLink(spec.port, { alias, ...portSettings(host, spec) });
  try {
    await host.netlink.send(host.link.createVeth(indexed), mark);
    return freeIndex;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return undefined;
    throw error;
  }
}

/** The kernel chooses the indexes. */
async function makePair(host: Host, request: JoinRequest, spec: PortSpec): Promise<number> {
  const { createVeth, setLink } = host.link;
  const { port } = spec;
  const settings = portSettings(host, spec);
  const set = Object.keys(settings).length > 0 ? [setLink(port, settings)] : [];
  await host.netlink.send(createVeth(pairSpec(host, request, spec)), ...set);
  const index = (await host.netlink.link(port))?.peerIndex;
  if (index === undefined) throw conflict(`the link ${port} was removed by somebody else`);
  return index;
}

function pairSpec(
  host: Host,
  { endpointId, sandboxKey }: JoinRequest,
  { config, bridge, mac, port, name }: PortSpec,
) {
  const size = portMtu(host, config, bridge);
  const mtu = size !== undefined && { mtu: size };
  return {
    name: port,
    ...mtu,
    master: bridge.index,
    up: true,
    group: portGroup(bridge),
    alias: markOf(endpointId),
    peer: { name, ...(mac && { mac }), ...mtu, netns: sandboxKey },
  };
}

/** What the kernel takes only for a port that is there. It has no carrier yet, so it has got no address by now. */
function portSettings(host: Host, { config, bridge, isHairpin }: PortSpec) {
  // a link that is too narrow for IPv6 has none to set
  const hasIpv6 = host.settings.ipv6 && !isTooNarrowForIpv6(portMtu(host, config, bridge));
  return {
    ...(hasIpv6 && { addressGeneration: "none" as const }),
    ...(isHairpin && { hairpin: true }),
  };
}

/** Far above what the kernel, which counts, has got to; the endpoint's own all the same. */
function portIndex(endpointId: string): number {
  return 0x1000_0000 + Number.parseInt(endpointId.slice(0, 7), 16);
}

/** Which of the two names somebody else's link has. */
async function takenName(
  host: Pick<Host, "netlink">,
  endpointId: string,
  { port, name }: Pick<PortSpec, "port" | "name">,
): Promise<Error> {
  const isOnHost = !(await isPortOf(host, { endpointId, port })) && (await host.netlink.link(port));
  return isOnHost
    ? conflict(`${endpointOptionNames.hostInterfaceName}: the host has an interface ${port} already`)
    : conflict(`${endpointOptionNames.interfaceName}: the container has an interface ${name} already`);
}

/** Deletes a port at once; see `isPortOf`. */
async function deletePort(
  host: Host,
  own: { readonly endpointId: string; readonly port: string },
): Promise<void> {
  const { deleteLink, unless } = host.link;
  if (await isPortOf(host, own)) await unless(["ENODEV"], host.netlink.send(deleteLink(own.port)));
}

/** Only a link that wears the endpoint's mark: what kept ours from being made may be somebody else's of that name. */
export async function isPortOf(
  host: Pick<Host, "netlink">,
  { endpointId, port }: { readonly endpointId: string; readonly port: string },
): Promise<boolean> {
  return (await host.netlink.link(port))?.alias === markOf(endpointId);
}

/**
 * With br_netfilter, which others may have loaded, frames between ports pass the IP rules: a container that calls its
 * own published port is then sent back out of the port it came in by, which a bridge does only if told.
 */
export async function needsHairpin(host: Pick<Host, "sysctl">): Promise<boolean> {
  const keys = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];
  const values = await Promise.all(keys.map((key) => host.sysctl.read(key)));
  return values.includes("1");
}
