// How an endpoint comes to be and goes: addresses, driver, link. Each step says how it is taken back.

import type { DeleteEndpointRequest, EndpointInterface, JoinResponse } from "../driverapi/index.ts";
import { deleteLink, deleteRoute, unless } from "../kernel/index.ts";
import { type Address, type Family, randomMac, sameAddress } from "../netip/index.ts";
import { EngineError, errorKind, errorMessage, notFound, wrapError } from "../util/errors.ts";
import { newId, shortId } from "../util/ids.ts";
import { Undo } from "../util/undo.ts";
import { isDefaultRoute } from "./attach.ts";
import { attachLink } from "./attach-link.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { Endpoint } from "./endpoint.ts";
import { leaseAddress } from "./leases.ts";
import { driversOwn, endpointNames } from "./names.ts";
import type { Netns } from "./netns.ts";
import { driverOptions, type Network } from "./network.ts";
import { endpointRoutes } from "./network-options.ts";
import type { EndpointRecord, RememberedPlace } from "./records.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

/** The sandbox as an endpoint sees it while it joins. */
export interface JoinPlace {
  readonly sandboxId: string;
  readonly spec: SandboxSpec;
  readonly path: string;
  /** Undefined in the host's netns, where nothing is attached. */
  readonly netns: Netns | undefined;
  readonly hasIpv6: boolean;
  readonly freeIndex: number;
  /** The name that the endpoint had before, or the lowest free one of a prefix: eth0, eth1… */
  readonly freeName: (prefix: string) => string;
  /** What the container had on this network the last time. */
  readonly remembered: RememberedPlace | undefined;
  /** An endpoint that was there before is the first that may publish ports. */
  readonly portsElsewhere?: boolean;
}

export interface JoinOptions {
  readonly spec: EndpointSpec;
  readonly place: JoinPlace;
  /** It is nobody's wish, but the sandbox's way out: it has no names. */
  readonly isHidden?: boolean;
}

/** Gives a container a place on a network, up to a link that is up in its sandbox. On failure nothing is left. */
export async function joinNetwork(
  parts: ControllerParts,
  network: Network,
  { spec, place, isHidden = false }: JoinOptions,
): Promise<Endpoint> {
  if (parts.networks.get(network.id) !== network) throw notFound(`network ${network.name} not found`);
  const endpoint = new Endpoint(network, draftRecord(network, { spec, place, isHidden }));
  await using undo = new Undo(parts.log);
  // listed from its first moment: a network with endpoints cannot be removed
  network.endpoints.set(endpoint.id, endpoint);
  undo.defer("forget endpoint", () => unlist(parts, endpoint));
  await parts.globals.use(network);
  await network.makeAgain();
  await leaseAddresses(parts, endpoint, { place, undo });
  if (!network.driver.capabilities.findsAddresses) keepMac(endpoint, place.remembered);
  await createInDriver(endpoint, place, undo);
  undo.defer("leave sandbox", () => network.driver.leave(refOf(endpoint)));
  await parts.departures.settled(network.driver);
  const response = await network.driver.join({
    ...refOf(endpoint),
    sandboxKey: place.path,
    freeIndex: place.freeIndex,
    suggestedName: place.freeName("eth"),
  });
  undo.defer("delete link", () => takeBack(response, place.netns));
  noteFound(endpoint, response);
  endpoint.record = { ...endpoint.record, ...wayOut(response) };
  endpoint.record = { ...endpoint.record, ...needsOf(endpoint, response) };
  const { netns, freeName } = place;
  if (response.link && netns)
    await attachLink(parts, endpoint, { netns, freeName, response, link: response.link }).catch((error) => {
      // what a driver of others has left here may be anything: who looks into it begins with the driver
      const { srcName, indexInSandbox } = response.link ?? {};
      throw indexInSandbox === undefined
        ? wrapError(error, `cannot take link ${srcName} of driver ${network.driver.name}`)
        : error;
    });
  undo.forget();
  return endpoint;
}

/**
 * Takes an endpoint out of its sandbox; its link goes by the driver's deleteEndpoint, or with the netns. One that is ours
 * to delete goes before a netns that ends: that is gone when it likes, and until then the link holds its MAC, and maybe
 * the whole parent.
 */
export async function leaveNetwork(
  parts: ControllerParts,
  endpoint: Endpoint,
  { netns, sandboxEnds }: { readonly netns: Netns | undefined; readonly sandboxEnds: boolean },
): Promise<void> {
  await endpoint.network.driver.leave(refOf(endpoint));
  const { link } = endpoint.record;
  if (netns && !sandboxEnds) await deleteEndpointRoutes(endpoint, netns);
  if (netns && sandboxEnds && link?.deletedOnLeave)
    await unless(["ENODEV"], netns.netlink.send(deleteLink(link.index)));
  if (netns && link?.movedFrom) await parts.returnLink(netns, { index: link.index, name: link.movedFrom });
}

/** Routes over a link go with it; those that lead nowhere do not. */
async function deleteEndpointRoutes({ network, record }: Endpoint, netns: Netns): Promise<void> {
  const stray = endpointRoutes(network.record, record).filter(({ type }) => type !== undefined);
  for (const { destination, type, metric } of stray) {
    const { family } = destination.address;
    const route = { family, destination, ...(type && { type }), ...(metric !== undefined && { metric }) };
    await unless(["ESRCH"], netns.netlink.send(deleteRoute(route)));
  }
}

/** Tells the driver that an endpoint, which has left, is no more: its link goes. */
export async function deleteInDriver(
  endpoint: Endpoint,
  link: Pick<DeleteEndpointRequest, "sandboxIsGone" | "linkIsAside">,
): Promise<void> {
  await endpoint.network.driver.deleteEndpoint({ ...refOf(endpoint), ...link });
}

/** Gives an endpoint's addresses back and takes it off its network's list. */
export async function forgetEndpoint(parts: ControllerParts, endpoint: Endpoint): Promise<void> {
  await using undo = new Undo(parts.log);
  undo.defer("forget endpoint", () => unlist(parts, endpoint));
  undo.defer("release addresses", () => releaseAddresses(endpoint));
}

function unlist({ globals }: ControllerParts, { id, network }: Endpoint): void {
  network.endpoints.delete(id);
  globals.left(network);
}

/** Leases again what is on record, after a start. */
export async function leaseAddressesAgain(endpoint: Endpoint, undo: Undo): Promise<void> {
  const { network, record } = endpoint;
  undo.defer("release addresses", () => releaseAddresses(endpoint));
  if (!network.ipam.capabilities.requiresRequestReplay) return;
  const { address, addressIpv6 } = record.interface;
  const pools = {
    ...(address && record.poolIpv4 && { poolIpv4: (await leaseOnRecord(endpoint, address.address)).poolId }),
    ...(addressIpv6 &&
      record.poolIpv6 && { poolIpv6: (await leaseOnRecord(endpoint, addressIpv6.address)).poolId }),
  };
  endpoint.record = { ...record, ...pools };
}

/** Tells the driver of an endpoint, at its creation and again after a start. */
export async function createInDriver(
  endpoint: Endpoint,
  { spec: sandbox, portsElsewhere }: Pick<JoinPlace, "spec" | "portsElsewhere">,
  undo: Undo,
): Promise<void> {
  const { network, record } = endpoint;
  undo.defer("delete endpoint", () => network.driver.deleteEndpoint(refOf(endpoint)));
  const { spec } = record;
  const wishes = [spec.ipv4, spec.ipv6].filter((address) => address !== undefined);
  const isAsked = network.driver.capabilities.findsAddresses && wishes.length > 0;
  const answer = await network.driver.createEndpoint({
    ...refOf(endpoint),
    interface: record.interface,
    options: {
      exposedPorts: sandbox.exposedPorts,
      portBindings: sandbox.portBindings,
      ...((portsElsewhere || network.record.internal) && { portsElsewhere: true }),
      dnsServers: network.record.internal ? [] : (sandbox.dns.servers ?? sandbox.dns.fallbackServers ?? []),
      ...(spec.mac && { macAddress: spec.mac }),
      ...(isAsked && { addresses: wishes }),
      ...(spec.linkLocal.length > 0 && { linkLocal: spec.linkLocal }),
      driverOpts: driversOwn(spec),
      ...(sandbox.isIngress && { forwards: true }),
    },
  });
  checkAnswer(record.interface, answer);
  endpoint.record = { ...endpoint.record, interface: { ...answer, ...record.interface } };
}

/** How drivers are told of an endpoint. */
export function refOf(endpoint: Endpoint) {
  return { networkId: endpoint.network.id, endpointId: endpoint.id };
}

function draftRecord(network: Network, { spec, place, isHidden }: JoinOptions): EndpointRecord {
  const { sandboxId, spec: sandbox } = place;
  return {
    id: newId(),
    networkId: network.id,
    sandboxId,
    containerId: sandbox.containerId,
    // Docker's name for it, which no renaming changes (setupDefaultGW in libnetwork)
    containerName: isHidden ? `gateway_${shortId(sandboxId)}` : sandbox.containerName,
    spec,
    interface: spec.mac ? { macAddress: spec.mac } : {},
    names: isHidden ? [] : endpointNames(network, spec, sandbox),
    ...(isHidden && { isHidden }),
    published: [],
  };
}

/**
 * The MAC of before, unless its address is another's now: drivers that derive the one from the other would give it to
 * the new owner too.
 */
function keepMac(endpoint: Endpoint, remembered: RememberedPlace | undefined): void {
  const { record } = endpoint;
  const { address, addressIpv6, macAddress } = record.interface;
  const isKept =
    sameAddress(address?.address, remembered?.ipv4) && sameAddress(addressIpv6?.address, remembered?.ipv6);
  if (macAddress || !remembered?.mac || !isKept) return;
  endpoint.record = withInterface(record, { macAddress: remembered.mac }, {});
}

async function leaseAddresses(
  { memory }: ControllerParts,
  endpoint: Endpoint,
  { place, undo }: { readonly place: JoinPlace; readonly undo: Undo },
): Promise<void> {
  const { network } = endpoint;
  const { enableIpv4, enableIpv6 } = driverOptions(network.record);
  const { spec } = endpoint.record;
  // the null driver hands nothing out: the network driver finds addresses by itself, or there are none
  if (network.ipam.name === "null" || network.record.pools.length === 0) return;
  undo.defer("release addresses", () => releaseAddresses(endpoint));
  if (network.ipam.capabilities.requiresMacAddress && !endpoint.record.interface.macAddress) {
    const macAddress = place.remembered?.mac ?? randomMac();
    endpoint.record = withInterface(endpoint.record, { macAddress }, {});
  }
  const { ipv4, ipv6 } = place.remembered ?? {};
  const isPromised = (address: Address) => memory.isAnothers(address, endpoint.record);
  if (enableIpv4) {
    const wish = { preferred: spec.ipv4, wish: ipv4, isPromised };
    const { prefix, poolId } = await lease(endpoint, 4, wish);
    endpoint.record = withInterface(endpoint.record, { address: prefix }, { poolIpv4: poolId });
  }
  if (enableIpv6 && place.hasIpv6) {
    const wish = { preferred: spec.ipv6, wish: ipv6, isPromised };
    const { prefix, poolId } = await lease(endpoint, 6, wish);
    endpoint.record = withInterface(endpoint.record, { addressIpv6: prefix }, { poolIpv6: poolId });
  }
}

interface AddressWish {
  readonly preferred: Address | undefined;
  readonly wish?: Address | undefined;
  readonly isPromised?: (address: Address) => boolean;
  readonly onRecord?: true;
}

function leaseOnRecord(endpoint: Endpoint, address: Address) {
  return lease(endpoint, address.family, { preferred: address, onRecord: true });
}

function lease({ network, record }: Endpoint, family: Family, asked: AddressWish) {
  const { preferred, wish, isPromised, onRecord } = asked;
  return leaseAddress(network.ipam, network.record.pools, {
    family,
    ...(preferred && { preferred }),
    ...(wish && { wish }),
    ...(isPromised && { isPromised }),
    ...(onRecord && { onRecord }),
    containerName: record.containerName,
    ...(record.interface.macAddress && { mac: record.interface.macAddress }),
    network,
  });
}

function withInterface(
  record: EndpointRecord,
  part: EndpointInterface,
  pools: Partial<EndpointRecord>,
): EndpointRecord {
  return { ...record, ...pools, interface: { ...record.interface, ...part } };
}

async function releaseAddresses({ network, record }: Endpoint): Promise<void> {
  const {
    interface: { address, addressIpv6 },
    poolIpv4,
    poolIpv6,
  } = record;
  if (poolIpv4 && address) await network.ipam.releaseAddress(poolIpv4, address.address);
  if (poolIpv6 && addressIpv6) await network.ipam.releaseAddress(poolIpv6, addressIpv6.address);
}

/** A driver fills in only what was empty. */
function checkAnswer(asked: EndpointInterface, answer: EndpointInterface): void {
  for (const key of ["address", "addressIpv6", "macAddress"] as const) {
    if (asked[key] !== undefined && answer[key] !== undefined && answer[key] !== asked[key])
      throw new EngineError("internal", `driver modified interface ${key} that it was given`);
  }
}

/** Notes the addresses that a driver found; the user's, and those that were leased, stay. */
export function noteFound(endpoint: Endpoint, { interface: found }: JoinResponse): void {
  const { record, network } = endpoint;
  if (!found) return;
  if (!network.driver.capabilities.findsAddresses)
    throw new EngineError(
      "internal",
      `driver ${network.driver.name} answered with addresses that it was given`,
    );
  const { mac } = record.spec;
  if (mac && found.macAddress && mac !== found.macAddress)
    throw new EngineError("internal", `driver modified interface macAddress that it was given`);
  const macAddress = mac ?? found.macAddress ?? record.interface.macAddress;
  endpoint.record = { ...record, interface: { ...found, ...(macAddress && { macAddress }) } };
}

/** Deletes a link that its driver cannot reach any more. */
async function takeBack({ link }: JoinResponse, netns: Netns | undefined): Promise<void> {
  if (!netns || !link?.deletedOnLeave || link.indexInSandbox === undefined) return;
  await unless(["ENODEV"], netns.netlink.send(deleteLink(link.indexInSandbox)));
}

/** How the sandbox leaves by this endpoint. */
function wayOut(response: JoinResponse): Partial<EndpointRecord> {
  const { gateway, gatewayIpv6, staticRoutes, isExternal, isReachedDirectly, dnsServers = [] } = response;
  const viaLink = staticRoutes.filter(isDefaultRoute).map(({ destination }) => destination.address.family);
  return {
    ...(gateway && { gatewayIpv4: gateway }),
    ...(gatewayIpv6 && { gatewayIpv6 }),
    ...(viaLink.length > 0 && { defaultViaLink: viaLink }),
    ...(isExternal && { isExternal }),
    ...(dnsServers.length > 0 && { dnsServers }),
    ...(isReachedDirectly && { isReachedDirectly }),
  };
}

/** Whether the sandbox needs another way out because of it: it leads nowhere although its network may. */
function needsOf(
  { network, isHidden, hasGateway }: Endpoint,
  { disableGatewayService }: JoinResponse,
): Partial<EndpointRecord> {
  const isOut = hasGateway[4] || hasGateway[6];
  return disableGatewayService || network.record.internal || isHidden || isOut ? {} : { needsGateway: true };
}

/** For logs of steps whose failure must not stop the rest. */
export function reasonOf(error: unknown): { kind: string; reason: string } {
  return { kind: errorKind(error), reason: errorMessage(error) };
}
