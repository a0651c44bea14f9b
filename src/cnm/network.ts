// A network: its record, the driver that makes it real, and the endpoints on it.

import type { IpamDriver, NetworkDriver, NetworkOptions, NetworkPeer } from "../driverapi/index.ts";
import type { Address } from "../netip/index.ts";
import { type EndpointRecord, type NetworkRecord, type PoolRecord, poolDataOf } from "./records.ts";
import type { IpamSpec, NetworkMember, NetworkView, PoolSpec } from "./types.ts";

/** An endpoint as its network lists it. What it does is its sandbox's business. */
export interface NetworkEndpoint {
  readonly id: string;
  readonly record: EndpointRecord;
  readonly addresses: readonly Address[];
  /** What clients are shown of it. */
  member(): NetworkMember;
}

/** Kept by the controller; the driver knows it by its id only. */
export class Network {
  readonly driver: NetworkDriver;
  /** Another one where the host has left its network's cluster and come back. */
  ipam: IpamDriver;
  readonly endpoints = new Map<string, NetworkEndpoint>();
  /** A value: replaced, never changed. */
  record: NetworkRecord;

  /** What its maker should know although it was made. */
  readonly warnings: readonly string[];

  constructor(
    record: NetworkRecord,
    driver: NetworkDriver,
    ipam: IpamDriver,
    warnings: readonly string[] = [],
  ) {
    this.warnings = warnings;
    this.record = record;
    this.driver = driver;
    this.ipam = ipam;
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.name;
  }

  /** Made by a user: containers on it find each other by name and may choose their addresses. */
  get isUserDefined(): boolean {
    return !this.record.predefined;
  }

  /** Its driver could not make it at a start: its parent was not there, say. */
  isMissing = false;

  /** Makes what a start could not make. Every driver takes the same request twice. @throws what the driver throws */
  async makeAgain(): Promise<void> {
    if (!this.isMissing) return;
    await this.driver.createNetwork(createRequest(this.record));
    this.isMissing = false;
  }

  /** Its options as they took effect; none where it is not real, or its driver does not tell. */
  async effectiveOptions(): Promise<Readonly<Record<string, string>>> {
    if (this.record.configOnly || this.isMissing) return {};
    return (await this.driver.effectiveOptions?.({ networkId: this.id })) ?? {};
  }

  /** Hosts that have endpoints on it, where it is a cluster's and its driver tells. */
  peers(): readonly NetworkPeer[] {
    if (this.record.configOnly || this.isMissing) return [];
    return this.driver.peers?.({ networkId: this.id }) ?? [];
  }

  /** What clients are shown; nothing in it is alive. */
  async view(): Promise<NetworkView> {
    const { record } = this;
    const pools = await Promise.all(
      record.pools.map(async ({ poolId, subnet }) => ({
        subnet,
        ...((await this.ipam.usage?.(poolId)) ?? { inUse: 0n, available: 0n }),
      })),
    );
    return {
      id: record.id,
      name: record.name,
      createdAt: new Date(record.createdAt),
      driver: record.driver,
      scope: record.scope,
      internal: record.internal,
      attachable: record.attachable,
      ingress: record.ingress,
      configOnly: record.configOnly,
      ...(record.configFrom !== undefined && { configFrom: record.configFrom }),
      enableIpv4: record.enableIpv4,
      enableIpv6: record.enableIpv6,
      ipam: shownIpam(record),
      options: record.options,
      labels: record.labels,
      predefined: record.predefined,
      members: [...this.endpoints.values()].map((endpoint) => endpoint.member()),
      pools,
    };
  }
}

/** What the driver is told of a network. */
export function driverOptions(record: NetworkRecord): NetworkOptions {
  return {
    enableIpv4: record.enableIpv4,
    enableIpv6: record.enableIpv6,
    internal: record.internal,
    generic: record.options,
  };
}

/** The driver's request for a network, at its creation and again after a start. */
export function createRequest(record: NetworkRecord) {
  const ofFamily = (family: 4 | 6) => record.pools.filter((pool) => pool.family === family).map(poolDataOf);
  return {
    networkId: record.id,
    networkName: record.name,
    options: driverOptions(record),
    ipv4Data: ofFamily(4),
    ipv6Data: ofFamily(6),
  };
}

/** What was leased; a null driver's pools (0.0.0.0/0) are not shown. */
function shownIpam(record: NetworkRecord): IpamSpec {
  const leased = record.pools.filter(({ subnet }) => subnet.length > 0);
  return leased.length === 0 ? record.ipam : { ...record.ipam, pools: leased.map(shownPool) };
}

function shownPool({ subnet, range, gateway, auxiliaryAddresses }: PoolRecord): PoolSpec {
  return { subnet, ...(range && { range }), ...(gateway && { gateway }), auxiliaryAddresses };
}
