// One rtnetlink socket in one network namespace, in nouns: links, addresses, routes, neighbours, forwarding entries.

import { type AddressFilter, decodeLinkAddress, type LinkAddress, listAddresses } from "./address.ts";
import { type BpfFilter, decodeFilter, getFilter } from "./bpf/filter.ts";
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
  /**
   * The same beside it, in no order with `send`: for what the kernel takes long for. It waits some 15 ms for each message
   * that deletes links, mostly without its global lock (netdev_run_todo in net/core/dev.c): no reason for others to wait.
   */
  sendAside(...requests: readonly Request[]): Promise<void>;
  links(filter?: LinkFilter): Promise<Link[]>;
  /** Undefined when there is none. */
  link(ref: LinkRef): Promise<Link | undefined>;
  addresses(filter?: AddressFilter): Promise<LinkAddress[]>;
  /** Of the main table when nothing else is asked for. */
  routes(filter?: RouteFilter): Promise<Route[]>;
  neighbours(filter?: NeighbourFilter): Promise<Neighbour[]>;
  fdb(filter?: { readonly link?: number; readonly master?: number }): Promise<FdbEntry[]>;
  /** The filters that `bpf.setFilter` put on these links, as far as they are there. */
  filters(links: readonly number[]): Promise<BpfFilter[]>;
  /** After the requests under way. Idempotent. */
  close(): Promise<void>;
}

/** Opens one in the namespace of a file's path; undefined = the process's own. Rejects with KernelError ENOENT when it is gone. */
export async function openNetlink(netns?: string): Promise<Netlink> {
  const open = () => openNetlinkSocket(netlinkProtocol.route, netns);
  return new RouteNetlink(await open(), open);
}

// how many acknowledgements surely fit into the socket's receive buffer
const batchSize = 4096;

class RouteNetlink implements Netlink {
  readonly #socket: NetlinkSocket;
  readonly #openAside: () => Promise<NetlinkSocket>;
  /** Opened when it is needed first. */
  #aside: Promise<NetlinkSocket> | undefined;

  constructor(socket: NetlinkSocket, openAside: () => Promise<NetlinkSocket>) {
    this.#socket = socket;
    this.#openAside = openAside;
  }

  send(...requests: readonly Request[]): Promise<void> {
    return sendBy(this.#socket, requests);
  }

  async sendAside(...requests: readonly Request[]): Promise<void> {
    this.#aside ??= this.#openAside();
    await sendBy(await this.#aside, requests);
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

  async filters(links: readonly number[]): Promise<BpfFilter[]> {
    // a link without one, or that is gone, is refused: it has none
    const { answers } = await this.#socket.exchange(links.map(getFilter));
    return answers.flatMap(({ type, payload }) => (type === rtm.newFilter && decodeFilter(payload)) || []);
  }

  async close(): Promise<void> {
    const aside = await this.#aside?.catch(() => undefined);
    await Promise.all([this.#socket.close(), aside?.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #dump<T>(request: Request, decode: (payload: Buffer) => T | undefined): Promise<T[]> {
    const answers = await this.#socket.dump(request);
    return answers.map(({ payload }) => decode(payload)).filter((value) => value !== undefined);
  }
}

async function sendBy(socket: NetlinkSocket, requests: readonly Request[]): Promise<void> {
  const errors: NetlinkError[] = [];
  for (let at = 0; at < requests.length; at += batchSize)
    errors.push(...(await tryBatch(socket, requests.slice(at, at + batchSize))));
  if (errors[0]) throw errors[0];
}

/** The errors of a batch and of what follows the requests that succeeded. */
async function tryBatch(socket: NetlinkSocket, requests: readonly Request[]): Promise<NetlinkError[]> {
  const { errors } = await socket.exchange(requests);
  const failed = new Set(errors.map(({ request }) => request));
  const next = requests.flatMap((request) =>
    request.followedBy && !failed.has(request) ? [request.followedBy] : [],
  );
  return next.length > 0 ? [...errors, ...(await socket.exchange(next)).errors] : errors;
}
