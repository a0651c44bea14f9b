// Names and addresses of the endpoints, by network. Kept in memory, fed record by record.

import { type Address, formatAddress, sameAddress } from "../netip/index.ts";

/** One endpoint's names on its network. */
export interface ZoneRecord {
  readonly networkId: string;
  readonly networkName: string;
  readonly endpointId: string;
  /** The first is the one that reverse look-ups give. */
  readonly names: readonly string[];
  readonly addresses: readonly Address[];
  /** False: a name that others bear too is answered by them. Alone it answers all the same. Absent: true. */
  readonly isReady?: boolean;
}

interface Zone {
  readonly name: string;
  /** Lower-case name to the endpoints that bear it, in the order in which they came. */
  readonly names: Map<string, Set<string>>;
  /** Address as text to the endpoint that has it. */
  readonly owners: Map<string, string>;
}

/** Kept by the proxy: who bears which name on which network. */
export class Zones {
  readonly #records = new Map<string, ZoneRecord>();
  readonly #zones = new Map<string, Zone>();
  #version = 0;

  /** Grows with every change: what was derived under another version is stale. */
  get version(): number {
    return this.#version;
  }

  /** Sets or (undefined) removes the names of one endpoint; the same again changes nothing. */
  setRecord(endpointId: string, record: ZoneRecord | undefined): void {
    const before = this.#records.get(endpointId);
    if (before === record || (before && record && isSame(before, record))) return;
    this.#remove(endpointId);
    if (record) this.#add(endpointId, record);
    this.#version++;
  }

  endpointIds(): string[] {
    return [...this.#records.keys()];
  }

  networkName(networkId: string): string | undefined {
    return this.#zones.get(networkId)?.name;
  }

  /** Addresses behind a lower-case name on one network, of those that are ready if any is; undefined when nobody bears it. */
  addressesOf(networkId: string, name: string): Address[] | undefined {
    const bearers = [...(this.#zones.get(networkId)?.names.get(name) ?? [])];
    const ready = bearers.filter((id) => this.#records.get(id)?.isReady !== false);
    return this.addressesOfEndpoints(ready.length > 0 ? ready : bearers);
  }

  /** Addresses of the endpoints that exist; undefined when none does. */
  addressesOfEndpoints(endpointIds: readonly string[]): Address[] | undefined {
    const records = endpointIds.flatMap((id) => this.#records.get(id) ?? []);
    return records.length > 0 ? records.flatMap((record) => record.addresses) : undefined;
  }

  /** The first name of the endpoint that has an address on a network. */
  nameOf(networkId: string, address: Address): string | undefined {
    const owner = this.#zones.get(networkId)?.owners.get(formatAddress(address));
    return owner === undefined ? undefined : this.#records.get(owner)?.names[0];
  }

  /** Whether a lower-case name stands above one that somebody bears on a network: `x1` above `c1.x1`, `b` above `a.b`. */
  isAbove(networkId: string, name: string): boolean {
    const zone = this.#zones.get(networkId);
    if (!zone) return false;
    const below = `.${name}`;
    const network = `.${zone.name.toLowerCase()}`;
    if (network.endsWith(below)) return true;
    const inNetwork = below.endsWith(network) ? below.slice(0, -network.length) : undefined;
    return [...zone.names.keys()].some(
      (own) =>
        own.endsWith(below) || (inNetwork !== undefined && inNetwork !== "" && own.endsWith(inNetwork)),
    );
  }

  #add(endpointId: string, record: ZoneRecord): void {
    const known = this.#zones.get(record.networkId);
    const zone = { names: new Map(), owners: new Map(), ...known, name: record.networkName };
    this.#zones.set(record.networkId, zone);
    this.#records.set(endpointId, record);
    for (const name of record.names.map((name) => name.toLowerCase())) {
      zone.names.set(name, (zone.names.get(name) ?? new Set()).add(endpointId));
    }
    for (const address of record.addresses) zone.owners.set(formatAddress(address), endpointId);
  }

  #remove(endpointId: string): void {
    const record = this.#records.get(endpointId);
    const zone = record && this.#zones.get(record.networkId);
    if (!zone) return;
    this.#records.delete(endpointId);
    for (const name of record.names.map((name) => name.toLowerCase())) {
      const bearers = zone.names.get(name);
      bearers?.delete(endpointId);
      if (bearers?.size === 0) zone.names.delete(name);
    }
    for (const address of record.addresses.map(formatAddress)) {
      if (zone.owners.get(address) === endpointId) zone.owners.delete(address);
    }
    if (zone.names.size === 0 && zone.owners.size === 0) this.#zones.delete(record.networkId);
  }
}

function isSame(a: ZoneRecord, b: ZoneRecord): boolean {
  const hasSameNames = a.names.length === b.names.length && a.names.every((name, at) => name === b.names[at]);
  return (
    hasSameNames &&
    a.networkId === b.networkId &&
    a.networkName === b.networkName &&
    (a.isReady ?? true) === (b.isReady ?? true) &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, at) => sameAddress(address, b.addresses[at] ?? address))
  );
}
