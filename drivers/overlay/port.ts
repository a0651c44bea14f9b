// The link of an endpoint: a veth pair, one end a port of the bridge in the network's netns, the other in the sandbox from
// its first moment.

import type { DriverNetns, Host, JoinRequest, Request } from "../../src/driverapi/index.ts";
import { endpointOptionNames } from "../../src/driverkit/index.ts";
import type { Mac } from "../../src/netip/index.ts";
import { conflict, hasCode, wrapError } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { markedId, markOf, portIndex, portName } from "./mark.ts";

export interface PortSpec {
  /** Index of the bridge. */
  readonly bridge: number;
  readonly mtu: number;
  readonly mac: Mac;
  /** Name in the sandbox. */
  readonly name: string;
  /** What else a port needs, by its index. */
  readonly also: (index: number) => readonly Request[];
}

/** A container's port as it is on the bridge, and its index at the other end. */
export interface Port {
  readonly index: number;
  readonly indexInSandbox: number;
}

/** Makes the pair: up on the bridge's side, down, with its name and MAC, in the sandbox. */
export async function makePort(
  host: Host,
  netns: DriverNetns,
  { request, spec }: { readonly request: JoinRequest; readonly spec: PortSpec },
): Promise<Port> {
  const { endpointId } = request;
  await using undo = new Undo(host.log);
  undo.defer("delete port", () => deletePort(host, netns, endpointId));
  try {
    const port =
      (await makeIndexed(host, netns, { request, spec })) ??
      (await makeCounted(host, netns, { request, spec }));
    undo.forget();
    return port;
  } catch (error) {
    const taken =
      hasCode(error, "EEXIST") &&
      conflict(`${endpointOptionNames.interfaceName}: the container has an interface ${spec.name} already`);
    throw wrapError(taken || error, `connect ${portName(endpointId)} to its network`);
  }
}

interface Making {
  readonly request: JoinRequest;
  readonly spec: PortSpec;
}

/** With both indexes chosen there is nothing to be asked afterwards. Undefined when one is taken, or a name. */
async function makeIndexed(host: Host, netns: DriverNetns, making: Making): Promise<Port | undefined> {
  const { endpointId, freeIndex } = making.request;
  const index = portIndex(endpointId);
  try {
    await netns.netlink.send(
      pairRequest(host, making, { index, indexInSandbox: freeIndex }),
      settings(host, endpointId),
      ...making.spec.also(index),
    );
    return { index, indexInSandbox: freeIndex };
  } catch (error) {
    if (hasCode(error, "EEXIST")) return undefined;
    throw error;
  }
}

/** The kernel chooses the indexes. */
async function makeCounted(host: Host, netns: DriverNetns, making: Making): Promise<Port> {
  const { endpointId } = making.request;
  await netns.netlink.send(pairRequest(host, making), settings(host, endpointId));
  const link = await netns.netlink.link(portName(endpointId));
  if (link?.peerIndex === undefined) throw conflict("the link was removed by somebody else");
  await netns.netlink.send(...making.spec.also(link.index));
  return { index: link.index, indexInSandbox: link.peerIndex };
}

function pairRequest({ link: kernel }: Host, { request, spec }: Making, indexes?: Port) {
  const { mtu, mac, name } = spec;
  const { endpointId, sandboxKey } = request;
  return kernel.createVeth({
    name: portName(endpointId),
    ...(indexes && { index: indexes.index }),
    mtu,
    master: spec.bridge,
    up: true,
    peer: { name, mac, mtu, netns: sandboxKey, ...(indexes && { index: indexes.indexInSandbox }) },
  });
}

/** Who is behind it is known: nothing is learnt, and what is for somebody unknown is not sent there. Marked in the same go. */
function settings({ link: kernel }: Host, endpointId: string) {
  const alias = markOf(endpointId);
  return kernel.setLink(portName(endpointId), { alias, learning: false, flood: false });
}

/** One that is gone is success. */
export async function deletePort(host: Host, { netlink }: DriverNetns, endpointId: string): Promise<void> {
  const { deleteLink, unless } = host.link;
  await unless(["ENODEV"], netlink.send(deleteLink(portName(endpointId))));
}

/** Puts a port that somebody took off its bridge, or set down, back. True when it had to. */
export async function repairPort(
  host: Host,
  { netlink }: DriverNetns,
  { endpointId, bridge }: { readonly endpointId: string; readonly bridge: number },
): Promise<boolean> {
  const link = await netlink.link(portName(endpointId));
  if (!link || (link.master === bridge && link.up)) return false;
  await netlink.send(host.link.setLink(link.index, { master: bridge, up: true }), settings(host, endpointId));
  return true;
}

/** Deletes those of endpoints that nobody knows. */
export async function sweepPorts(
  { link: { deleteLink, unless }, log }: Pick<Host, "link" | "log">,
  { netlink }: DriverNetns,
  endpointIds: ReadonlySet<string>,
): Promise<void> {
  const strays = (await netlink.links()).filter(({ alias }) => {
    const id = markedId(alias);
    return id !== undefined && !endpointIds.has(id);
  });
  for (const { name, alias } of strays)
    log.info({ link: name, alias }, "removing a link that was left behind");
  if (strays.length === 0) return;
  await unless(["ENODEV"], netlink.send(...strays.map(({ index }) => deleteLink(index))));
}
