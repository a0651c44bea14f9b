// What the host reaches without us: its routes in every table, and what its uplink carries. Known from one look and from
// notifications that say when to look again, since with thousands of networks a look at all routes is dear.

import {
  type Link,
  type Netlink,
  type NetworkEvent,
  type Route,
  routeTable,
  type Watch,
  watchLinks,
} from "../kernel/index.ts";
import { isLinkLocal, isMulticast, type Prefix, prefixFamily } from "../netip/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** A subnet that the host reaches by a link that is not ours. */
export interface HostRoute {
  readonly destination: Prefix;
  /** The host is on it: no gateway in between. */
  readonly isOnLink: boolean;
}

export interface HostRoutes {
  routes(): Promise<readonly HostRoute[]>;
}

export interface HostRoutesOptions {
  readonly netlink: Netlink;
  /** Path of the host's netns; absent: the process's own. */
  readonly netns?: string;
  /**
   * The uplink carries another MTU than before, or there is one now. Told a second time a moment later: a link that was
   * being made with the MTU of before is there by then.
   */
  readonly uplinkChanged?: (mtu: number) => void;
  readonly log: Log;
}

/** Reads everything at each call: for a host that nobody watches. */
export function plainHostRoutes(netlink: Netlink): HostRoutes {
  return {
    async routes() {
      const [links, routes] = await Promise.all([netlink.links(), netlink.routes({ table: "all" })]);
      return foreignRoutes(routes, ownIndexes(links)).map(shown);
    },
  };
}

/** Watches from the moment it resolves. Owns a netlink socket: close it. */
export async function watchHostRoutes(options: HostRoutesOptions): Promise<WatchedHostRoutes> {
  const watched = new WatchedHostRoutes(options);
  await watched.open();
  return watched;
}

const uplinkDelayMs = 20;
const secondTimeMs = 1000;

/** Made by `watchHostRoutes`. */
export class WatchedHostRoutes implements HostRoutes, Disposable {
  readonly #options: HostRoutesOptions;
  readonly #own = new Set<number>();
  #watch: Watch | undefined;
  #routes: readonly Route[] = [];
  #isStale = true;
  #uplinks: ReadonlySet<number> = new Set();
  #uplinkMtu: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #secondTime: NodeJS.Timeout | undefined;

  constructor(options: HostRoutesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    this.#watch = await watchLinks(this.#options.netns, (event) => this.#hear(event), [
      "link",
      "address",
      "route",
    ]);
    await this.#look();
    await this.#readUplink();
  }

  /** MTU of the links that hold the default routes, the smallest; the last known when there are none any more. */
  get uplinkMtu(): number | undefined {
    return this.#uplinkMtu;
  }

  async routes(): Promise<readonly HostRoute[]> {
    await pendingEvents();
    if (this.#isStale) await this.#look();
    return this.#routes.map(shown);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#secondTime);
    this.#watch?.close();
    this.#watch = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #look(): Promise<void> {
    const { netlink } = this.#options;
    // what changes from here on makes it stale again
    this.#isStale = false;
    try {
      const [links, routes] = await Promise.all([netlink.links(), netlink.routes({ table: "all" })]);
      this.#own.clear();
      for (const index of ownIndexes(links)) this.#own.add(index);
      this.#routes = foreignRoutes(routes, this.#own);
    } catch (error) {
      this.#isStale = true;
      throw error;
    }
  }

  #hear(event: NetworkEvent): void {
    switch (event.kind) {
      case "link":
        this.#hearLink(event.link, event.gone);
        break;
      case "route":
        this.#hearRoute(event.route);
        break;
      case "address":
        // IPv4 routes that had it as their source go without a word (fib_sync_down_addr in net/ipv4)
        if (event.gone && this.#hasRoutesBy(event.address.link)) this.#isStale = true;
        break;
      case "lost":
        this.#isStale = true;
        this.#checkUplink();
        break;
      case "neighbour":
    }
  }

  #hearLink(link: Link, gone: boolean): void {
    if (isOwn(link) && !gone) this.#own.add(link.index);
    else if (gone) this.#own.delete(link.index);
    // and so do IPv4 routes by a link that goes down
    if ((gone || !link.up) && this.#hasRoutesBy(link.index)) this.#isStale = true;
    if (this.#uplinks.has(link.index)) this.#checkUplink();
  }

  #hearRoute(route: Route): void {
    if (route.table === routeTable.local || (route.link !== undefined && this.#own.has(route.link))) return;
    if (route.destination === undefined) this.#checkUplink();
    else this.#isStale = true;
  }

  #hasRoutesBy(index: number): boolean {
    return this.#routes.some(({ link }) => link === index);
  }

  /** Changes come in bursts: a link that goes down takes its routes along one by one. */
  #checkUplink(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#readUplink().catch((error: unknown) => {
        this.#options.log.warn({ reason: errorMessage(error) }, "cannot read the uplink's MTU");
      });
    }, uplinkDelayMs);
  }

  async #readUplink(): Promise<void> {
    const { netlink, uplinkChanged } = this.#options;
    const routes = await netlink.routes();
    this.#uplinks = uplinksOf(routes.filter(({ link }) => link !== undefined && !this.#own.has(link)));
    const links = await Promise.all([...this.#uplinks].map((index) => netlink.link(index)));
    const sizes = links.flatMap((link) => (link ? [link.mtu] : []));
    if (sizes.length === 0) return;
    const before = this.#uplinkMtu;
    this.#uplinkMtu = Math.min(...sizes);
    if (before === this.#uplinkMtu || !this.#watch) return;
    const tell = () => uplinkChanged?.(this.#uplinkMtu ?? 0);
    tell();
    clearTimeout(this.#secondTime);
    this.#secondTime = setTimeout(tell, secondTimeMs).unref();
  }
}

/** Lets the event loop read what the kernel has told already: a change that came before a question counts. */
async function pendingEvents(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** The links of each family's best default route. */
function uplinksOf(routes: readonly Route[]): ReadonlySet<number> {
  const links = new Set<number>();
  for (const family of [4, 6] as const) {
    const defaults = routes.filter(
      (route) => route.family === family && route.destination === undefined && route.type === "unicast",
    );
    const [best] = defaults.toSorted((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
    if (best?.link !== undefined) links.add(best.link);
  }
  return links;
}

function ownIndexes(links: readonly Link[]): ReadonlySet<number> {
  return new Set(links.filter(isOwn).map(({ index }) => index));
}

/** Ours wear our mark; see the bridge driver. */
function isOwn({ alias }: Link): boolean {
  return alias?.startsWith("tsdocker:") === true;
}

function foreignRoutes(routes: readonly Route[], own: ReadonlySet<number>): readonly Route[] {
  return routes.filter(
    ({ table, link, destination, type }) =>
      table !== routeTable.local &&
      type !== "local" &&
      type !== "broadcast" &&
      type !== "multicast" &&
      type !== "anycast" &&
      !(link !== undefined && own.has(link)) &&
      destination !== undefined &&
      isSubnet(destination),
  );
}

/**
 * Not a link's own addresses, and not a default route in disguise: 0.0.0.0/1 and 128.0.0.0/1 are how VPNs say "all", and
 * whatever is wider than the widest private block (10.0.0.0/8, fc00::/7) says nothing of private networks.
 */
function isSubnet(destination: Prefix): boolean {
  const { address, length } = destination;
  if (isMulticast(address) || isLinkLocal(address)) return false;
  return length >= (prefixFamily(destination) === 4 ? 8 : 7);
}

function shown({ destination, gateway, link, type }: Route): HostRoute {
  // foreignRoutes has left none without a destination
  const at = destination ?? { address: { family: 4, value: 0n }, length: 0 };
  return { destination: at, isOnLink: gateway === undefined && link !== undefined && type === "unicast" };
}
