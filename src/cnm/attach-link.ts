// Attaching: the link that a driver answered with becomes the container's.

import type { JoinResponse } from "../driverapi/index.ts";
import { deleteAddress, deleteLink, deleteRoute, setLink, unless } from "../kernel/index.ts";
import { hasCode, notFound, wrapError } from "../util/errors.ts";
import {
  additionRequests,
  attachRequests,
  linkLocalPrefix,
  linkSysctls,
  type SandboxLink,
} from "./attach.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Netns } from "./netns.ts";
import { endpointRoutes } from "./network-options.ts";
import type { EndpointRecord } from "./records.ts";

interface Attachment {
  readonly netns: Netns;
  /** The lowest free name of a prefix: eth0, eth1… */
  readonly freeName: (prefix: string) => string;
  readonly response: JoinResponse;
  readonly link: NonNullable<JoinResponse["link"]>;
}

/** Gives the link its name, addresses, routes and sysctls, up; the endpoint's record remembers it. */
export async function attachLink(
  parts: ControllerParts,
  endpoint: Endpoint,
  { netns, freeName, response, link }: Attachment,
): Promise<void> {
  if (link.isComplete) return await adoptLink(endpoint, { netns, response, name: link.srcName });
  const inside = await findLink(parts, { netns, freeName, link }, endpoint);
  const { interface: interface_, spec } = endpoint.record;
  const { finalName, index } = inside;
  const movedFrom = link.indexInSandbox === undefined && { movedFrom: link.srcName };
  const deleted = link.deletedOnLeave && { deletedOnLeave: true as const };
  endpoint.record = { ...endpoint.record, link: { name: finalName, index, ...movedFrom, ...deleted } };
  try {
    const ipv6 = interface_.addressIpv6 !== undefined || spec.linkLocal.some(({ family }) => family === 6);
    // the name in /proc/sys follows a rename, and these must be there before the link is up
    await writeLinkSysctls(netns, inside.name, {
      ipv6,
      kernelHasIpv6: parts.hostHasIpv6,
      extra: response.sysctls,
    });
    await netns.netlink.send(
      ...attachRequests(inside, {
        interface: interface_,
        linkLocal: spec.linkLocal,
        routes: [...response.staticRoutes, ...endpointRoutes(endpoint.network.record, endpoint.record)],
      }),
    );
  } catch (error) {
    throw wrapError(error, `attach ${finalName} to network ${endpoint.networkName}`);
  }
}

/** Takes over a link that its driver has set up in the sandbox, and adds what is not the driver's to add. */
async function adoptLink(
  endpoint: Endpoint,
  { netns, response, name }: Pick<Attachment, "netns" | "response"> & { readonly name: string },
): Promise<void> {
  const found = await netns.netlink.link(name);
  if (!found) throw notFound(`the driver's link ${name} is not in the sandbox`);
  const { index, mac } = found;
  const { record, network } = endpoint;
  endpoint.record = {
    ...record,
    interface: { ...record.interface, ...(mac && { macAddress: mac }) },
    // whatever its driver left of it
    link: { name, index, deletedOnLeave: true },
  };
  try {
    await netns.writeSysctls(
      linkSysctls(name, { ipv6: true, kernelHasIpv6: false, extra: response.sysctls }),
    );
    const linkLocal = record.spec.linkLocal.map(linkLocalPrefix);
    const routes = endpointRoutes(network.record, endpoint.record);
    await deleteDefaultRoutes(netns, index);
    await netns.netlink.send(...additionRequests(index, { prefixes: linkLocal, routes }));
  } catch (error) {
    throw wrapError(error, `attach ${name} to network ${endpoint.networkName}`);
  }
}

/** They are the sandbox's: which link has one, and that no other does, is settled when all are known. */
async function deleteDefaultRoutes({ netlink }: Netns, index: number): Promise<void> {
  const routes = await netlink.routes();
  const defaults = routes.filter(
    ({ link, destination, type }) => link === index && !destination && type === "unicast",
  );
  const requests = defaults.map(({ family, gateway }) =>
    deleteRoute({ family, link: index, ...(gateway && { gateway }) }),
  );
  await unless(["ESRCH", "ENOENT"], netlink.send(...requests));
}

/**
 * Puts a link that is about to be deleted out of the way, which is fast where deleting is not: without addresses, its name
 * free, and down where that is fast too. False when the link is not there, or goes back to the host.
 */
export async function setLinkAside({ record }: Endpoint, netns: Netns | undefined): Promise<boolean> {
  const { link, interface: own, spec } = record;
  if (!netns || !link || link.movedFrom !== undefined) return false;
  const { index } = link;
  if (link.deletedOnLeave) return await setChildAside(netns, index);
  const prefixes = [own.address, own.addressIpv6, ...spec.linkLocal.map(linkLocalPrefix)];
  const addresses = prefixes.filter((prefix) => prefix !== undefined);
  const requests = [
    setLink(index, { up: false }),
    setLink(index, { name: asideName(index) }),
    ...addresses.map((prefix) => deleteAddress({ link: index, prefix })),
  ];
  // IPv6 ones go with the link's being up
  await unless(["EADDRNOTAVAIL"], netns.netlink.send(...requests));
  return true;
}

/**
 * A link on a parent takes its time to go down (synchronize_rcu in macvlan_hash_del), so it stays up where the kernel lets
 * it be renamed so (6.2).
 */
async function setChildAside({ netlink }: Netns, index: number): Promise<boolean> {
  const addresses = await netlink.addresses({ link: index });
  const requests = addresses.map(({ prefix }) => deleteAddress({ link: index, prefix }));
  await unless(["EADDRNOTAVAIL"], netlink.send(...requests));
  const rename = setLink(index, { name: asideName(index) });
  try {
    await netlink.send(rename);
  } catch (error) {
    if (!hasCode(error, "EBUSY")) throw error;
    await netlink.send(setLink(index, { up: false }), rename);
  }
  return true;
}

/** Deletes links that a daemon which was killed had put aside. */
export async function deleteAsides({ netlink }: Netns): Promise<void> {
  const left = (await netlink.links()).filter(({ index, name }) => name === asideName(index));
  if (left.length === 0) return;
  await unless(["ENODEV"], netlink.sendAside(...left.map(({ index }) => deleteLink(index))));
}

function asideName(index: number): string {
  return `gone${index}`;
}

/** Gives an endpoint's link another MTU; one that is gone needs none. */
export async function changeMtu(
  netns: Netns,
  { link, interface: own, spec }: EndpointRecord,
  mtu: number,
): Promise<void> {
  const before = link && (await netns.netlink.link(link.index));
  if (!link || !before) return;
  await unless(["ENODEV"], netns.netlink.send(setLink(link.index, { mtu })));
  // one that was too narrow for IPv6 has it now, also where it should have none
  const hasIpv6 = own.addressIpv6 !== undefined || spec.linkLocal.some(({ family }) => family === 6);
  if (hasIpv6 || before.mtu >= leastIpv6Mtu || mtu < leastIpv6Mtu) return;
  await unless(["ENOENT"], netns.writeSysctls({ [`net/ipv6/conf/${link.name}/disable_ipv6`]: "1" }));
}

/** RFC 8200 5: below it the kernel has no IPv6 on a link. */
const leastIpv6Mtu = 1280;

/** A link too narrow for IPv6 has none that could be turned off. */
async function writeLinkSysctls(
  netns: Netns,
  name: string,
  options: Parameters<typeof linkSysctls>[1],
): Promise<void> {
  try {
    await netns.writeSysctls(linkSysctls(name, options));
  } catch (error) {
    if (options.ipv6 || !hasCode(error, "ENOENT")) throw error;
    await netns.writeSysctls(linkSysctls(name, { ...options, kernelHasIpv6: false }));
  }
}

async function findLink(
  parts: ControllerParts,
  { netns, freeName, link }: Omit<Attachment, "response">,
  { record }: Endpoint,
): Promise<SandboxLink> {
  const finalName = link.dstName ?? freeName(link.dstPrefix);
  if (link.indexInSandbox !== undefined) return { index: link.indexInSandbox, name: link.srcName, finalName };
  await parts.moveLink(link.srcName, netns.path);
  const moved = await netns.netlink.link(link.srcName);
  if (!moved) throw notFound(`the driver's link ${link.srcName} is gone`);
  const mac = record.interface.macAddress;
  return { index: moved.index, name: link.srcName, finalName, ...(mac && { mac }) };
}
