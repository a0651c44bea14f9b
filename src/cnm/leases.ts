// Leases: the pools and addresses a network and its endpoints hold from an IPAM driver.

import type { IpamDriver, PoolLease } from "../driverapi/index.ts";
import {
  type Address,
  type Family,
  formatAddress,
  formatPrefix,
  isUnspecified,
  type Mac,
  type Prefix,
  prefixContains,
} from "../netip/index.ts";
import { EngineError, errorKind, errorMessage, invalid, unavailable } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import type { HostPrefixes } from "./host-prefixes.ts";
import { familyOf } from "./ipam-check.ts";
import type { NetworkRecord, PoolRecord } from "./records.ts";
import type { PoolSpec } from "./types.ts";

/** What a network needs from its IPAM driver. */
export interface PoolsRequest {
  readonly ipam: IpamDriver;
  readonly scope: "local" | "global" | "swarm";
  readonly families: readonly Family[];
  readonly pools: readonly PoolSpec[];
  readonly options: Readonly<Record<string, string>>;
  /** For messages. */
  readonly networkName: string;
  /** What a chosen pool must not overlap; asked for only when one is to be chosen. */
  readonly exclude: () => Promise<HostPrefixes>;
  /** What the network will work with all the same. */
  readonly warn: (message: string) => void;
  /** Families whose gateway is not wanted unless the user names one. */
  readonly skipGateway: readonly Family[];
}

/** Leases every pool with its gateway and auxiliary addresses; the undo gives all of it back. */
export async function leasePools(request: PoolsRequest): Promise<{ pools: PoolRecord[]; undo: Undo }> {
  await using undo = new Undo();
  const pools: PoolRecord[] = [];
  for (const family of request.families) {
    const wanted = request.pools.filter((pool) => familyOf(pool) === family);
    // one after the other: a driver may answer a later request by what an earlier one took
    for (const spec of wanted.length > 0 ? wanted : [{ auxiliaryAddresses: {} }])
      pools.push(await leasePool(request, { family, spec }, undo));
  }
  return { pools, undo: undo.move() };
}

/** Leases a pool again that is on record, for IPAM drivers that forget; the record with today's pool id. */
export async function leaseAgain(
  ipam: IpamDriver,
  record: PoolRecord,
  { name: networkName, ipam: { options = {} } }: Pick<NetworkRecord, "name" | "ipam">,
): Promise<PoolRecord> {
  if (!ipam.capabilities.requiresRequestReplay) return record;
  const { addressSpace, family, subnet, range, gateway } = record;
  const lease = await ipam.requestPool({
    addressSpace,
    family,
    pool: subnet,
    ...(range && { subPool: range }),
    options,
    networkName,
    exclude: [],
    onRecord: record.poolId,
  });
  if (gateway && !record.gatewayWithPool)
    await ipam.requestAddress({ poolId: lease.poolId, address: gateway, purpose: "gateway", onRecord: true });
  for (const address of Object.values(record.auxiliaryAddresses))
    await leaseAuxiliary(ipam, lease.poolId, { address });
  return { ...record, poolId: lease.poolId };
}

/** Gives a network's pools back, with what was leased in them. Never fails: the rest must go too. */
export async function releasePools(ipam: IpamDriver, pools: readonly PoolRecord[]): Promise<void> {
  await using undo = new Undo();
  for (const pool of pools) {
    undo.defer("release pool", () => ipam.releasePool(pool.poolId));
    for (const address of Object.values(pool.auxiliaryAddresses))
      undo.defer("release auxiliary address", () => ipam.releaseAddress(pool.poolId, address));
    const { gateway } = pool;
    if (gateway && !pool.gatewayWithPool)
      undo.defer("release gateway", () => ipam.releaseAddress(pool.poolId, gateway));
  }
}

export interface AddressLeaseRequest {
  readonly family: Family;
  /** This one or none. */
  readonly preferred?: Address;
  /** This one if nobody has it. */
  readonly wish?: Address;
  /** The preferred one is leased already: a daemon that starts says it again. */
  readonly onRecord?: true;
  /** Whether somebody will ask for an address: then it is taken only where no other is left. */
  readonly isPromised?: (address: Address) => boolean;
  readonly containerName: string;
  readonly mac?: Mac;
  /** For messages. */
  readonly network: { readonly id: string; readonly name: string };
}

/** An address from the first pool that has one. @throws unavailable when none is left, invalid when no pool has the preferred one */
export async function leaseAddress(
  ipam: IpamDriver,
  pools: readonly PoolRecord[],
  request: AddressLeaseRequest,
): Promise<{ prefix: Prefix; poolId: string }> {
  const { family, preferred, network } = request;
  const candidates = pools.filter((pool) => pool.family === family && (!preferred || holds(pool, preferred)));
  if (preferred && candidates.length === 0)
    throw invalid(`no configured subnet contains IP address ${formatAddress(preferred)}`);
  const kept = preferred ? undefined : await leaseWish(ipam, candidates, request);
  const free = kept ?? (preferred ? undefined : await leaseUnpromised(ipam, candidates, request));
  if (free) return free;
  const reasons: string[] = [];
  for (const { poolId } of candidates) {
    const asked = ask(ipam, { poolId, address: preferred }, request);
    const prefix = await unlessExhausted(asked, (reason) => reasons.push(reason));
    if (prefix) return { prefix, poolId };
  }
  // a driver that asks others may have more to say than that there are none, or cannot say so much
  const why = reasons.filter((reason) => !reason.startsWith("no available addresses"));
  if (why.length > 0 && why.length === reasons.length)
    throw unavailable(`cannot lease an IPv${family} address on network ${network.name}: ${why.join(", ")}`);
  throw unavailable(
    [
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
      ...why,
    ].join(": "),
  );
}

function ask(
  ipam: IpamDriver,
  { poolId, address }: { readonly poolId: string; readonly address?: Address | undefined },
  { containerName, mac, onRecord }: AddressLeaseRequest,
): Promise<Prefix> {
  return ipam.requestAddress({
    poolId,
    purpose: "endpoint",
    endpointName: containerName,
    ...(address && { address }),
    ...(mac && { macAddress: mac }),
    ...(onRecord && { onRecord }),
  });
}

async function unlessExhausted(
  asked: Promise<Prefix>,
  note: (reason: string) => void = () => undefined,
): Promise<Prefix | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (errorKind(error) !== "unavailable") throw error;
    note(errorMessage(error));
    return undefined;
  }
}

type AddressLease = { readonly prefix: Prefix; readonly poolId: string };

async function leaseWish(
  ipam: IpamDriver,
  pools: readonly PoolRecord[],
  request: AddressLeaseRequest,
): Promise<AddressLease | undefined> {
  const { wish } = request;
  const pool = wish && pools.find((candidate) => holds(candidate, wish));
  if (!pool) return undefined;
  try {
    return { prefix: await ask(ipam, { poolId: pool.poolId, address: wish }, request), poolId: pool.poolId };
  } catch (error) {
    // somebody needed it, or the pool gives it to nobody; plugins have one kind for all that they refuse
    if (!["forbidden", "conflict", "invalid", "unavailable", "internal"].includes(errorKind(error)))
      throw error;
    return undefined;
  }
}

/** A driver that offers more than these that are somebody's may have no others. */
const mostPromised = 1024;

/** Drivers that forget their leases at a start begin anew with the lowest, which containers that are stopped may have had. */
async function leaseUnpromised(
  ipam: IpamDriver,
  pools: readonly PoolRecord[],
  request: AddressLeaseRequest,
): Promise<AddressLease | undefined> {
  const { isPromised } = request;
  if (!isPromised || !ipam.capabilities.requiresRequestReplay) return undefined;
  for (const { poolId } of pools) {
    // held until another is found, so that the next answer differs
    await using setAside = new Undo();
    for (let tries = 0; tries < mostPromised; tries++) {
      const prefix = await unlessExhausted(ask(ipam, { poolId }, request));
      if (!prefix) break;
      if (!isPromised(prefix.address)) return { prefix, poolId };
      setAside.defer("release address", () => ipam.releaseAddress(poolId, prefix.address));
    }
  }
  return undefined;
}

async function leasePool(
  request: PoolsRequest,
  { family, spec }: { readonly family: Family; readonly spec: PoolSpec },
  undo: Undo,
): Promise<PoolRecord> {
  const { ipam } = request;
  const spaces = await ipam.defaultAddressSpaces();
  const addressSpace = request.scope === "local" ? spaces.local : spaces.global;
  const lease = await requestPool(request, { addressSpace, family, spec });
  undo.defer("release pool", () => ipam.releasePool(lease.poolId));
  const gateway =
    lease.gateway?.address ?? (await leaseGateway(request, lease.poolId, { family, spec }, undo));
  for (const [name, address] of Object.entries(spec.auxiliaryAddresses)) {
    await leaseAuxiliary(ipam, lease.poolId, { name, address });
    undo.defer("release auxiliary address", () => ipam.releaseAddress(lease.poolId, address));
  }
  return {
    poolId: lease.poolId,
    addressSpace,
    family,
    subnet: lease.pool,
    ...(spec.range && { range: spec.range }),
    ...(gateway && { gateway }),
    ...(lease.gateway && { gatewayWithPool: true }),
    auxiliaryAddresses: spec.auxiliaryAddresses,
  };
}

/** A subnet that nobody reaches by other ways; one that only gateways know when there is no other. */
async function requestPool(
  request: PoolsRequest,
  {
    addressSpace,
    family,
    spec,
  }: { readonly addressSpace: string; readonly family: Family; readonly spec: PoolSpec },
): Promise<PoolLease> {
  const { ipam, networkName, options } = request;
  const ask = (exclude: readonly Prefix[]) =>
    ipam.requestPool({
      addressSpace,
      family,
      ...(spec.subnet && { pool: spec.subnet }),
      ...(spec.range && { subPool: spec.range }),
      options,
      networkName,
      exclude,
    });
  const isChosen = !spec.subnet || isUnspecified(spec.subnet.address);
  if (!isChosen) return await ask([]);
  const { near, far } = await request.exclude();
  try {
    return await ask([...near, ...far]);
  } catch (error) {
    if (far.length === 0 || errorKind(error) !== "invalid") throw error;
    const lease = await ask(near);
    request.warn(
      `every subnet of the address pools is routed elsewhere by this host, also ${formatPrefix(lease.pool)}`,
    );
    return lease;
  }
}

async function leaseGateway(
  request: PoolsRequest,
  poolId: string,
  { family, spec }: { readonly family: Family; readonly spec: PoolSpec },
  undo: Undo,
): Promise<Address | undefined> {
  if (!spec.gateway && (request.skipGateway.includes(family) || request.ipam.name === "null"))
    return undefined;
  const leased = await request.ipam
    .requestAddress({ poolId, purpose: "gateway", ...(spec.gateway && { address: spec.gateway }) })
    .catch((error: unknown) => {
      throw new EngineError(
        errorKind(error),
        `failed to allocate gateway (${spec.gateway ? formatAddress(spec.gateway) : ""}): ${errorMessage(error)}`,
        { cause: error },
      );
    });
  undo.defer("release gateway", () => request.ipam.releaseAddress(poolId, leased.address));
  return leased.address;
}

/**
 * Nobody else gets an auxiliary address. One that the pool gives to nobody is refused where a user names it, and no
 * trouble where it is on record already.
 */
async function leaseAuxiliary(
  ipam: IpamDriver,
  poolId: string,
  { name, address }: { readonly name?: string; readonly address: Address },
): Promise<void> {
  try {
    const onRecord = name === undefined ? ({ onRecord: true } as const) : {};
    await ipam.requestAddress({ poolId, address, purpose: "auxiliary", ...onRecord });
  } catch (error) {
    if (name === undefined && errorKind(error) === "invalid") return;
    throw new EngineError(
      errorKind(error),
      `failed to allocate secondary ip address (${name}:${formatAddress(address)}): ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

function holds(pool: PoolRecord, address: Address): boolean {
  return prefixContains(pool.subnet, address);
}
