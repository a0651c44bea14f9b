// The links that lead to the cluster's hosts: those of the routes, and what is below them (a bridge's or bond's ports, a
// VLAN's link), on which a process could write what the upper one never sees. Followed as routes and links change.

import {
  type Link,
  linksTowards,
  type Netlink,
  type NetlinkSocket,
  type NetworkEvent,
  netlinkProtocol,
  openNetlink,
  openNetlinkSocket,
  routeTable,
  watchLinks,
} from "../kernel/index.ts";
import type { Address } from "../netip/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

export interface TunnelLinks {
  /** Those of the routes, by index. */
  readonly uplinks: readonly Pick<Link, "index" | "name">[];
  /** Names of these and of those below them, sorted. */
  readonly devices: readonly string[];
}

export const noLinks: TunnelLinks = { uplinks: [], devices: [] };

/** Kinds whose lower link is in the same netns, mostly; a veth's other end is none. */
const kindsOnLinks: ReadonlySet<string | undefined> = new Set(["vlan", "macvlan", "ipvlan", "macsec"]);
/** NFT_NETDEVICE_MAX; a bridge with more ports than that is an uplink nowhere. */
const mostDevices = 256;
/** Many changes are one. */
const soonMs = 50;

/** Looks, and tells when it is worth looking again. */
export class TunnelLinkWatch {
  readonly #netns: string | undefined;
  readonly #log: Log;
  readonly #onDoubt: () => void;
  #known: ReadonlySet<number> = new Set();
  #handles: Promise<Handles> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ netns, log, onDoubt }: { netns: string | undefined; log: Log; onDoubt: () => void }) {
    this.#netns = netns;
    this.#log = log;
    this.#onDoubt = onDoubt;
  }

  /** Follows from the first call on. A look that fails is told of in the log and finds nothing. */
  async look(targets: readonly Address[]): Promise<TunnelLinks> {
    try {
      this.#handles ??= open(this.#netns, (event) => this.#hear(event));
      const { routes, netlink } = await this.#handles;
      const uplinks = await present(netlink, await linksTowards(routes, targets));
      const devices = await withLower(netlink, uplinks);
      this.#known = new Set(devices.map(({ index }) => index));
      return {
        uplinks: uplinks.toSorted((one, other) => one.index - other.index),
        devices: devices
          .map(({ name }) => name)
          .sort()
          .slice(0, mostDevices),
      };
    } catch (error) {
      this.#log.error({ reason: errorMessage(error) }, "cannot tell which links lead to the cluster's hosts");
      return noLinks;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const handles = await this.#handles?.catch(() => undefined);
    handles?.watch[Symbol.dispose]();
    await Promise.all([handles?.routes.close(), handles?.netlink.close()]);
  }

  #hear(event: NetworkEvent): void {
    if (this.#isClosed || this.#timer || !matters(event, this.#known)) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#onDoubt();
    }, soonMs).unref();
  }
}

interface Handles {
  readonly routes: NetlinkSocket;
  readonly netlink: Netlink;
  readonly watch: Disposable;
}

async function open(netns: string | undefined, listener: (event: NetworkEvent) => void): Promise<Handles> {
  const [routes, netlink, watch] = await Promise.all([
    openNetlinkSocket(netlinkProtocol.route, netns),
    openNetlink(netns),
    watchLinks(netns, listener, ["link", "route"]),
  ]);
  return { routes, netlink, watch };
}

/** Whether other links may lead to the hosts now. Containers come and go without it. */
export function matters(event: NetworkEvent, known: ReadonlySet<number>): boolean {
  switch (event.kind) {
    case "lost":
      return true;
    case "route":
      return event.route.table !== routeTable.local;
    case "link":
      return known.has(event.link.index) || known.has(event.link.master ?? 0);
    default:
      return false;
  }
}

async function present(netlink: Netlink, indexes: Iterable<number>): Promise<Link[]> {
  const found = await Promise.all([...indexes].map((index) => netlink.link(index)));
  return found.filter((link) => link !== undefined && !link.loopback).map((link) => link as Link);
}

async function withLower(netlink: Netlink, uplinks: readonly Link[]): Promise<readonly Link[]> {
  const all = new Map<number, Link>();
  for (let level = uplinks; level.length > 0 && all.size < mostDevices; ) {
    const fresh = level.filter(({ index }) => !all.has(index));
    for (const link of fresh) all.set(link.index, link);
    level = (await Promise.all(fresh.map((link) => below(netlink, link)))).flat();
  }
  return [...all.values()];
}

async function below(netlink: Netlink, { index, kind, peerIndex }: Link): Promise<Link[]> {
  const lower = kindsOnLinks.has(kind) && peerIndex !== undefined ? [peerIndex] : [];
  const [ports, links] = await Promise.all([
    kind === undefined || kind === "veth" ? [] : netlink.links({ master: index }),
    present(netlink, lower),
  ]);
  return [...ports, ...links];
}
