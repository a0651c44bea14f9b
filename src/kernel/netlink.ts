// One rtnetlink socket in one network namespace, in nouns: links, addresses, routes, neighbours, forwarding entries.

import { type AddressFilter, decodeLinkAddress, type LinkAddress, listAddresses } from "./address.ts";
import { type NetlinkError, unless } from "./errors.ts";
import { decodeFdb, type FdbEntry, listFdb } from "./fdb.ts";
import { decodeLink, getLink, type Link, type LinkFilter, listLinks } from "./link.ts";
import { decodeNeighbour, listNeighbours, type Neighbour, type NeighbourFilter } from "./neighbour.ts";
import { type NetlinkSocket, netlinkProtocol, openNetlinkSocket } from "./netlink-socket.ts";
import type { Request } from "./request.ts";
import { decodeRoute, listRoutes, type Route, type RouteFilter } from "./route.ts";
import { type LinkRef, rtm } from "./rtnetlink.ts";

/**
 * A handle on the network of one namespace. While it is open the namespace lives, even when it was deleted: close the
 * handles on a container's namespace before, or its links stay.
 */
export interface Netlink extends AsyncDisposable {
  /** All requests in one sendmsg (per 4096). All are tried, in order; rejects with the NetlinkError of the first that fails. */
  send(...requests: readonly Request[]): Promise<void>;
  links(filter?: LinkFilter): Promise<Link[]>;
  /** Undefined when there is none. */
  link(ref: LinkRef): Promise<Link | undefined>;
  addresses(filter?: AddressFilter): Promise<LinkAddress[]>;
  /** Of the main table when nothing else is asked for. */
  routes(filter?: RouteFilter): Promise<Route[]>;
  neighbours(filter?: NeighbourFilter): Promise<Neighbour[]>;
  fdb(filter?: { readonly link?: number; readonly master?: number }): Promise<FdbEntry[]>;
  /** After the requests under way. Idempotent. */
  close(): Promise<void>;
}

/** Opens one in the namespace of a file's path; undefined = the process's own. Rejects with KernelError ENOENT when it is gone. */
export async function openNetlink(netns?: string): Promise<Netlink> {
  return new RouteNetlink(await openNetlinkSocket(netlinkProtocol.route, netns));
}

// how many acknowledgements surely fit into the socket's receive buffer
const batchSize = 4096;

class RouteNetlink implements Netlink {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async send(...requests: readonly Request[]): Promise<void> {
    const errors: NetlinkError[] = [];
    for (let at = 0; at < requests.length; at += batchSize)
      errors.push(...(await this.#try(requests.slice(at, at + batchSize))));
    if (errors[0]) throw errors[0];
  }

  links(filter?: LinkFilter): Promise<Link[]> {
    return this.#dump(listLinks(filter), decodeLink);
  }

  async link(ref: LinkRef): Promise<Link | undefined> {
    const answers = await unless(["ENODEV"], this.#socket.send([getLink(ref)]));
    const found = answers?.find(({ type }) => type === rtm.newLink);
    return found && decodeLink(found.payload);
  }

  addresses(filter?: AddressFilter): Promise<LinkAddress[]> {
    return this.#dump(listAddresses(filter), decodeLinkAddress);
  }

  async routes(filter?: RouteFilter): Promise<Route[]> {
    // a filtered dump of a table that nobody made yet fails with ENOENT
    return (await unless(["ENOENT"], this.#dump(listRoutes(filter), decodeRoute))) ?? [];
  }

  neighbours(filter?: NeighbourFilter): Promise<Neighbour[]> {
    return this.#dump(listNeighbours(filter), decodeNeighbour);
  }

  fdb(filter?: { readonly link?: number; readonly master?: number }): Promise<FdbEntry[]> {
    return this.#dump(listFdb(filter), decodeFdb);
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The errors of a batch and of what follows the requests that succeeded. */
  async #try(requests: readonly Request[]): Promise<NetlinkError[]> {
    const { errors } = await this.#socket.exchange(requests);
    const failed = new Set(errors.map(({ request }) => request));
    const next = requests.flatMap((request) =>
      request.followedBy && !failed.has(request) ? [request.followedBy] : [],
    );
    return next.length > 0 ? [...errors, ...(await this.#socket.exchange(next)).errors] : errors;
  }

  async #dump<T>(request: Request, decode: (payload: Buffer) => T | undefined): Promise<T[]> {
    const answers = await this.#socket.dump(request);
    return answers.map(({ payload }) => decode(payload)).filter((value) => value !== undefined);
  }
}
