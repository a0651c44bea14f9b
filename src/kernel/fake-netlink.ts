// A namespace without a kernel, for unit tests: keeps what it is told, refuses what Linux would refuse, and writes each
// request down as an iproute2 line. It reads the same bytes that the kernel would.

import { macFromBytes, sameAddress, samePrefix } from "../netip/index.ts";
import { type AddressFilter, decodeLinkAddress, type LinkAddress } from "./address.ts";
import { Attributes, nlmFlag } from "./codec.ts";
import { NetlinkError } from "./errors.ts";
import { decodeFdb, type FdbEntry } from "./fdb.ts";
import { decodeLink, ifla, type Link, type LinkFilter } from "./link.ts";
import { decodeNeighbour, type Neighbour, type NeighbourFilter } from "./neighbour.ts";
import type { Netlink } from "./netlink.ts";
import type { Request } from "./request.ts";
import { decodeRoute, type Route, type RouteFilter, routeTable } from "./route.ts";
import { addressFamily, type LinkRef, rtm } from "./rtnetlink.ts";

const errno = { ENOENT: 2, ESRCH: 3, EEXIST: 17, ENODEV: 19, EADDRNOTAVAIL: 99 } as const;

/** Implements Netlink on lists. Starts with `lo` as link 1; new links get the next free index. */
export class FakeNetlink implements Netlink {
  /** Every request's words, in the order sent, refused ones too. */
  readonly transcript: string[] = [];
  readonly #addresses = new Table<LinkAddress>(decodeLinkAddress, isSameAddress, errno.EADDRNOTAVAIL);
  readonly #routes = new Table<Route>(decodeRoute, isSameRoute, errno.ESRCH);
  readonly #neighbours = new Table<Neighbour>(decodeNeighbour, isSameNeighbour, errno.ENOENT);
  readonly #fdb = new Table<FdbEntry>(decodeFdb, isSameFdb, errno.ENOENT);
  #links: Link[] = [loopback()];
  #refusals: { readonly pattern: string | RegExp; readonly errno: number }[] = [];
  #nextIndex = 2;
  #closed = false;

  /** From now on requests whose words contain (or match) `pattern` fail with this errno. */
  refuse(pattern: string | RegExp, errno: number): void {
    this.#refusals.push({ pattern, errno });
  }

  /** Takes every `refuse` back. */
  relent(): void {
    this.#refusals = [];
  }

  async send(...requests: readonly Request[]): Promise<void> {
    if (this.#closed) throw new Error(`${requests[0]?.words}: the netlink socket is closed`);
    const errors = requests.flatMap((request) => this.#try(request));
    if (errors[0]) throw errors[0];
  }

  sendAside(...requests: readonly Request[]): Promise<void> {
    return this.send(...requests);
  }

  async links(filter: LinkFilter = {}): Promise<Link[]> {
    return this.#links.filter(
      (link) => isWanted(link.master, filter.master) && isWanted(link.kind, filter.kind),
    );
  }

  async link(ref: LinkRef): Promise<Link | undefined> {
    return this.#links.find(({ index, name }) => ref === index || ref === name);
  }

  async addresses(filter: AddressFilter = {}): Promise<LinkAddress[]> {
    return this.#addresses.rows.filter(
      ({ link, prefix }) => isWanted(link, filter.link) && isWanted(prefix.address.family, filter.family),
    );
  }

  async routes({ table = routeTable.main, ...filter }: RouteFilter = {}): Promise<Route[]> {
    const inTable = this.#routes.rows.filter((route) => table === "all" || route.table === table);
    return inTable.filter(
      (route) => isWanted(route.link, filter.link) && isWanted(route.family, filter.family),
    );
  }

  async neighbours(filter: NeighbourFilter = {}): Promise<Neighbour[]> {
    return this.#neighbours.rows.filter(
      ({ link, address }) => isWanted(link, filter.link) && isWanted(address.family, filter.family),
    );
  }

  async fdb(filter: { readonly link?: number; readonly master?: number } = {}): Promise<FdbEntry[]> {
    const masterOf = (port: number) => this.#links.find(({ index }) => index === port)?.master;
    return this.#fdb.rows.filter(
      ({ link }) => isWanted(link, filter.link) && isWanted(masterOf(link), filter.master),
    );
  }

  /** Keeps none. */
  async filters(): Promise<[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #try(request: Request): NetlinkError[] {
    this.transcript.push(request.words);
    const refusal = this.#refusals.find(({ pattern }) =>
      typeof pattern === "string" ? request.words.includes(pattern) : pattern.test(request.words),
    );
    const failure = refusal?.errno ?? this.#apply(request, Buffer.from(request.payload));
    if (failure !== undefined) return [new NetlinkError(request, failure)];
    return request.followedBy ? this.#try(request.followedBy) : [];
  }

  /** The errno of a refusal, undefined when done. */
  #apply(request: Request, payload: Buffer): number | undefined {
    switch (request.type) {
      case rtm.newLink:
        return request.flags & nlmFlag.create ? this.#createLink(payload) : this.#changeLink(payload);
      case rtm.deleteLink:
        return this.#deleteLinks(payload);
      case rtm.newAddress:
      case rtm.deleteAddress:
        return this.#addresses.apply(request, payload, this.#links);
      case rtm.newRoute:
      case rtm.deleteRoute:
        return this.#routes.apply(request, payload, this.#links);
      case rtm.newQdisc:
      case rtm.newFilter:
      case rtm.deleteFilter:
        return this.#links.some(({ index }) => index === payload.readInt32LE(4)) ? undefined : errno.ENODEV;
      default:
        if (payload.readUInt8(0) === addressFamily.bridge)
          return this.#fdb.apply(request, payload, this.#links);
        return this.#neighbours.apply(request, payload, this.#links);
    }
  }

  #createLink(payload: Buffer): number | undefined {
    const link = decodeLink(payload);
    // is_valid_ether_addr: no kind of link takes a multicast address
    if (link.mac !== undefined && Number.parseInt(link.mac.slice(0, 2), 16) % 2 === 1)
      return errno.EADDRNOTAVAIL;
    // made in another namespace
    if (new Attributes(payload.subarray(16)).has(ifla.netnsFd)) return undefined;
    if (this.#links.some(({ index, name }) => index === link.index || name === link.name))
      return errno.EEXIST;
    const index = link.index || this.#nextIndex++;
    this.#nextIndex = Math.max(this.#nextIndex, index + 1);
    this.#links.push({ ...link, index, mtu: link.mtu || 1500 });
    return undefined;
  }

  #changeLink(payload: Buffer): number | undefined {
    const at = this.#links.findIndex(isNamedBy(payload));
    const old = this.#links[at];
    if (!old) return errno.ENODEV;
    const movedAway = new Attributes(payload.subarray(16)).has(ifla.netnsFd);
    this.#links.splice(at, 1, ...(movedAway ? [] : [changed(old, payload)]));
    return undefined;
  }

  #deleteLinks(payload: Buffer): number | undefined {
    const gone = this.#links.filter(isNamedBy(payload)).map(({ index }) => index);
    this.#links = this.#links.filter(({ index }) => !gone.includes(index));
    for (const table of [this.#addresses, this.#routes, this.#neighbours, this.#fdb]) table.forget(gone);
    return gone.length > 0 ? undefined : errno.ENODEV;
  }
}

/** Rows of one noun. */
class Table<T extends { readonly link?: number }> {
  rows: T[] = [];
  readonly #decode: (payload: Buffer) => T | undefined;
  readonly #isSame: (row: T, wanted: T) => boolean;
  readonly #missing: number;

  constructor(
    decode: (payload: Buffer) => T | undefined,
    isSame: (row: T, wanted: T) => boolean,
    missing: number,
  ) {
    this.#decode = decode;
    this.#isSame = isSame;
    this.#missing = missing;
  }

  /** Adds or deletes; the errno of a refusal. Types that add are multiples of 4 (NEW, DEL, GET, SET). */
  apply(request: Request, payload: Buffer, links: readonly Link[]): number | undefined {
    const row = this.#decode(payload);
    if (!row) return undefined;
    const at = this.rows.findIndex((one) => this.#isSame(one, row));
    if (request.type % 4 !== 0) {
      if (at < 0) return this.#missing;
      this.rows.splice(at, 1);
      return undefined;
    }
    if (row.link !== undefined && !links.some(({ index }) => index === row.link)) return errno.ENODEV;
    if (at >= 0 && request.flags & nlmFlag.exclusive) return errno.EEXIST;
    if (at >= 0) this.rows.splice(at, 1, row);
    else this.rows.push(row);
    return undefined;
  }

  /** Drops the rows of deleted links. */
  forget(links: readonly number[]): void {
    this.rows = this.rows.filter(({ link }) => link === undefined || !links.includes(link));
  }
}

const isWanted = <T>(is: T, wanted: T | undefined) => wanted === undefined || is === wanted;

const isSameAddress = (row: LinkAddress, wanted: LinkAddress) =>
  row.link === wanted.link && samePrefix(row.prefix, wanted.prefix);

/** What a request leaves open matches anything, as in a deletion. */
const isSameRoute = (row: Route, wanted: Route) =>
  row.family === wanted.family &&
  row.table === wanted.table &&
  samePrefix(row.destination, wanted.destination) &&
  isWanted(row.metric, wanted.metric);

const isSameNeighbour = (row: Neighbour, wanted: Neighbour) =>
  row.link === wanted.link && sameAddress(row.address, wanted.address);

const isSameFdb = (row: FdbEntry, wanted: FdbEntry) =>
  row.link === wanted.link &&
  row.mac === wanted.mac &&
  isWanted(row.destination?.value, wanted.destination?.value);

function loopback(): Link {
  const none = { rxBytes: 0, rxPackets: 0, rxErrors: 0, rxDropped: 0 };
  const stats = { ...none, txBytes: 0, txPackets: 0, txErrors: 0, txDropped: 0 };
  return { index: 1, name: "lo", mtu: 65536, up: false, carrier: true, loopback: true, group: 0, stats };
}

/** Whether a link message means a link: by index, else by name, else by group. */
function isNamedBy(payload: Buffer): (link: Link) => boolean {
  const attributes = new Attributes(payload.subarray(16));
  const index = payload.readInt32LE(4);
  const name = attributes.string(ifla.name);
  if (index !== 0) return (link) => link.index === index;
  if (name !== undefined) return (link) => link.name === name;
  return (link) => link.group === attributes.u32(ifla.group);
}

/** The link with what the message changes. */
function changed(old: Link, payload: Buffer): Link {
  const attributes = new Attributes(payload.subarray(16));
  const mac = attributes.bytes(ifla.address);
  const alias = attributes.string(ifla.alias);
  const { master: oldMaster, ...rest } = old;
  const master = attributes.u32(ifla.master) ?? oldMaster;
  return {
    ...rest,
    name: attributes.string(ifla.name) ?? old.name,
    mtu: attributes.u32(ifla.mtu) ?? old.mtu,
    group: attributes.u32(ifla.group) ?? old.group,
    up: payload.readUInt32LE(12) & 1 ? (payload.readUInt32LE(8) & 1) === 1 : old.up,
    ...(mac && { mac: macFromBytes(mac) }),
    ...(alias !== undefined && { alias }),
    ...(master && { master }),
  };
}
