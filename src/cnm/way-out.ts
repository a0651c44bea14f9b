// The way out of a sandbox: its default routes, and its published ports with them, follow the endpoints chosen per family.

import { unless } from "../kernel/index.ts";
import type { Family } from "../netip/index.ts";
import { hasCode, wrapError } from "../util/errors.ts";
import { defaultRouteRequest } from "./attach.ts";
import type { Endpoint } from "./endpoint.ts";
import { changePorts, type Gateways, moveExternalConnectivity } from "./external.ts";
import { chooseGateways } from "./gateway.ts";
import type { Netns } from "./netns.ts";
import {
  addReturnRoute,
  deleteReturnRoute,
  mainTableFirst,
  type ReturnRoute,
  returnRouteKey,
  returnRoutesOf,
} from "./return-routes.ts";
import type { SandboxSpec } from "./types.ts";

/** Owned by its sandbox. */
export class WayOut {
  /** Undefined in the host's netns, whose routes are not ours. */
  readonly #netns: Netns | undefined;
  #gateways: Gateways = { 4: undefined, 6: undefined };
  #returnRoutes: ReadonlyMap<string, ReturnRoute> = new Map();

  constructor(netns: Netns | undefined) {
    this.#netns = netns;
  }

  /** Brings routes and ports in line with these endpoints. Repeating a call changes nothing. */
  async settle(
    endpoints: readonly Endpoint[],
    spec: SandboxSpec,
    leaving: readonly Endpoint[] = [],
  ): Promise<void> {
    const before = this.#gateways;
    const chosen = chooseGateways(endpoints);
    this.#gateways = chosen;
    const changed = ([4, 6] as const).filter((family) => chosen[family] !== before[family]);
    for (const family of changed) await this.#setDefaultRoute(family, chosen[family]);
    await this.#setReturnRoutes(returnRoutesOf(endpoints));
    await moveExternalConnectivity({ endpoints, leaving }, chosen, spec);
  }

  /** Whether these endpoints leave by those by which the sandbox leaves now. */
  isBy(endpoints: readonly Endpoint[]): boolean {
    const chosen = chooseGateways(endpoints);
    return ([4, 6] as const).every((family) => chosen[family] === this.#gateways[family]);
  }

  /** Publishes the ports that the spec has now, and no others. On failure publish those of before again. */
  async republish(endpoints: readonly Endpoint[], spec: SandboxSpec): Promise<void> {
    await changePorts(endpoints, spec);
  }

  /** Takes over routes that are there already, after a start: only a default route that is gone is made again. */
  async adopt(endpoints: readonly Endpoint[]): Promise<void> {
    this.#gateways = chooseGateways(endpoints);
    const routes = (await this.#netns?.netlink.routes()) ?? [];
    const hasDefault = (family: Family) =>
      routes.some((route) => route.family === family && route.destination === undefined);
    for (const family of [4, 6] as const) {
      const gateway = this.#gateways[family];
      if (gateway && !hasDefault(family)) await this.#setDefaultRoute(family, gateway);
    }
  }

  /** Each request on its own feet: what is there, or gone, is as wished. */
  async #setReturnRoutes(routes: readonly ReturnRoute[]): Promise<void> {
    const before = this.#returnRoutes;
    const after = new Map(routes.map((route) => [returnRouteKey(route), route]));
    this.#returnRoutes = after;
    const fresh = [...after].filter(([key]) => !before.has(key)).map(([, route]) => route);
    const gone = [...before].filter(([key]) => !after.has(key)).map(([, route]) => route);
    if (fresh.length + gone.length === 0) return;
    const had = new Set([...before.values()].map(({ family }) => family));
    const has = new Set(routes.map(({ family }) => family));
    const firsts = ([4, 6] as const).filter((family) => has.has(family) !== had.has(family));
    const requests = [
      ...firsts.map((family) => mainTableFirst(family, has.has(family))),
      ...fresh.flatMap(addReturnRoute),
      ...gone.flatMap(deleteReturnRoute),
    ];
    const codes = ["EEXIST", "ENOENT", "ESRCH"];
    await unless(codes, this.#netns?.netlink.send(...requests) ?? Promise.resolve());
  }

  async #setDefaultRoute(family: Family, endpoint: Endpoint | undefined): Promise<void> {
    const link = endpoint?.record.link?.index;
    const gateway = family === 4 ? endpoint?.record.gatewayIpv4 : endpoint?.record.gatewayIpv6;
    const via = link === undefined ? undefined : { link, ...(gateway && { gateway }) };
    try {
      await this.#netns?.netlink.send(defaultRouteRequest(family, via));
    } catch (error) {
      // the route went with its link; without any other at its place IPv6 calls that ENOENT (fib6_del in ip6_fib.c)
      const isGone = via === undefined && hasCode(error, "ESRCH", "ENOENT");
      if (isGone) return;
      if (!endpoint) throw error;
      throw wrapError(error, `cannot leave by the gateway of driver ${endpoint.network.driver.name}`);
    }
  }
}
