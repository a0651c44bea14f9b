// The link of an endpoint: a veth pair, one end a port of the bridge, the other in the sandbox from its first moment.

import type { Host, JoinRequest } from "../../src/driverapi/index.ts";
import { checkLinkName } from "../../src/driverkit/index.ts";
import type { Mac } from "../../src/netip/index.ts";
import { conflict, hasCode, wrapError } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { type BridgeLink, markOf, portGroup } from "./bridge-link.ts";
import { portMtu } from "./mtu.ts";
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
}

/**
 * Makes the pair in one message: up on the bridge's side, down, with its name and MAC, in the sandbox. Answers the index
 * there: a wish for one is heard only along with one for the bridge's end (veth_newlink in drivers/net/veth.c), whose
 * index is not ours to choose.
 */
export async function makePort(host: Host, request: JoinRequest, spec: PortSpec): Promise<number> {
  const { createVeth, setLink } = host.link;
  const { config, bridge, mac, port, name } = spec;
  const size = portMtu(host, config, bridge);
  const mtu = size !== undefined && { mtu: size };
  const isHairpin = await needsHairpin(host);
  await using undo = new Undo(host.log);
  try {
    undo.defer("delete port", () => deletePort(host, { endpointId: request.endpointId, port }));
    await host.netlink.send(
      createVeth({
        name: port,
        ...mtu,
        master: bridge.index,
        up: true,
        group: portGroup(bridge),
        alias: markOf(request.endpointId),
        peer: { name, ...(mac && { mac }), ...mtu, netns: request.sandboxKey },
      }),
      ...(isHairpin ? [setLink(port, { hairpin: true })] : []),
    );
    const index = (await host.netlink.link(port))?.peerIndex;
    if (index === undefined) throw conflict(`the link ${port} was removed by somebody else`);
    undo.forget();
    return index;
  } catch (error) {
    const taken = hasCode(error, "EEXIST") && (await takenName(host, request.endpointId, spec));
    throw wrapError(taken || error, `connect ${port} to bridge ${bridge.name}`);
  }
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
async function needsHairpin(host: Host): Promise<boolean> {
  const keys = ["net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];
  const values = await Promise.all(keys.map((key) => host.sysctl.read(key)));
  return values.includes("1");
}
