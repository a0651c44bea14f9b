// What the controller remembers of a container's place on a network while the container does not run: addresses, MAC,
// name of the interface. The next start asks for the same again; who needs an address meanwhile gets it all the same.

import { type Address, formatAddress } from "../netip/index.ts";
import type { Transaction } from "../store/index.ts";
import type { EndpointRecord, Records, RememberedPlace } from "./records.ts";
import { pack, unpack } from "./stored.ts";

/** Kept by the controller. Goes with the container, the network, or a disconnect. */
export class Memory {
  readonly #records: Records;
  readonly #places = new Map<string, RememberedPlace>();
  /** By network: which container had an address last. */
  readonly #owners = new Map<string, Map<string, string>>();

  constructor(records: Records) {
    this.#records = records;
    for (const stored of records.places.values()) this.#add(unpack(stored));
  }

  /** What the container had on the network the last time. */
  of(containerId: string, networkId: string): RememberedPlace | undefined {
    return this.#places.get(keyOf({ containerId, networkId }));
  }

  /** Whether another container had the address last, and will ask for it again. */
  isAnothers(address: Address, { containerId, networkId }: PlaceRef): boolean {
    const owner = this.#owners.get(networkId)?.get(formatAddress(address));
    return owner !== undefined && owner !== containerId;
  }

  /** Whether anything is remembered of a container, or of a network. */
  hasAny(ref: Partial<PlaceRef>): boolean {
    return this.#placesOf(ref).length > 0;
  }

  /** Remembers an endpoint as it is now. */
  note(transaction: Transaction, record: EndpointRecord): void {
    const place = placeOf(record);
    const known = this.#places.get(keyOf(place));
    if (known && isSame(known, place)) return;
    if (known) this.#remove(known);
    this.#add(place);
    transaction.put(this.#records.places, keyOf(place), pack(place));
  }

  /** The container left the network for good. */
  forget(transaction: Transaction, ref: PlaceRef): void {
    const place = this.#places.get(keyOf(ref));
    if (!place) return;
    this.#remove(place);
    transaction.delete(this.#records.places, keyOf(place));
  }

  /** The container, or the network, is no more. */
  forgetAll(transaction: Transaction, gone: Partial<PlaceRef>): void {
    for (const place of this.#placesOf(gone)) this.forget(transaction, place);
  }

  #placesOf(ref: Partial<PlaceRef>): RememberedPlace[] {
    return [...this.#places.values()].filter(
      ({ containerId, networkId }) => containerId === ref.containerId || networkId === ref.networkId,
    );
  }

  #add(place: RememberedPlace): void {
    this.#places.set(keyOf(place), place);
    const owners = this.#owners.get(place.networkId) ?? new Map<string, string>();
    this.#owners.set(place.networkId, owners);
    for (const address of addressesOf(place)) owners.set(formatAddress(address), place.containerId);
  }

  #remove(place: RememberedPlace): void {
    this.#places.delete(keyOf(place));
    const owners = this.#owners.get(place.networkId);
    for (const address of addressesOf(place)) {
      const text = formatAddress(address);
      // it may have become another's meanwhile
      if (owners?.get(text) === place.containerId) owners.delete(text);
    }
    if (owners?.size === 0) this.#owners.delete(place.networkId);
  }
}

export type PlaceRef = Pick<RememberedPlace, "containerId" | "networkId">;

function placeOf({ containerId, networkId, interface: own, link }: EndpointRecord): RememberedPlace {
  return {
    containerId,
    networkId,
    ...(own.address && { ipv4: own.address.address }),
    ...(own.addressIpv6 && { ipv6: own.addressIpv6.address }),
    ...(own.macAddress && { mac: own.macAddress }),
    ...(link && { interfaceName: link.name }),
  };
}

function keyOf({ containerId, networkId }: PlaceRef): string {
  return `${containerId} ${networkId}`;
}

function addressesOf({ ipv4, ipv6 }: RememberedPlace): Address[] {
  return [ipv4, ipv6].filter((address) => address !== undefined);
}

function isSame(a: RememberedPlace, b: RememberedPlace): boolean {
  return (
    a.ipv4?.value === b.ipv4?.value &&
    a.ipv6?.value === b.ipv6?.value &&
    a.mac === b.mac &&
    a.interfaceName === b.interfaceName
  );
}
