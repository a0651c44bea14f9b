// What the driver knows: its networks and their endpoints. No kernel.

import type { EndpointInterface, EndpointRef, JoinResponse } from "../../src/driverapi/index.ts";
import type { Mac } from "../../src/netip/index.ts";
import { notFound } from "../../src/util/errors.ts";
import type { CarriedNetwork } from "./carried.ts";
import type { OverlayConfig } from "./options.ts";

export interface OverlayNetwork {
  readonly config: OverlayConfig;
  /** One for each segment. */
  readonly vnis: readonly number[];
  readonly endpoints: Map<string, OverlayEndpoint>;
  /** While this host has an endpoint in a sandbox. */
  carried?: CarriedNetwork;
  /** The end of the work under way on `carried`: it comes and goes by one at a time. */
  turn: Promise<unknown>;
}

export interface OverlayEndpoint {
  readonly interface: EndpointInterface & { readonly macAddress: Mac };
  readonly driverOpts: Readonly<Record<string, string>>;
  /** It passes on what others send. */
  readonly forwards?: boolean;
  joined?: { readonly sandboxKey: string; readonly response: JoinResponse };
  /** Its link is, or may be, on the bridge. */
  hasPort?: boolean;
}

/** Owned by the driver. */
export class OverlayNetworks {
  readonly #byId = new Map<string, OverlayNetwork>();

  add(config: OverlayConfig, vnis: readonly number[]): OverlayNetwork {
    const network: OverlayNetwork = { config, vnis, endpoints: new Map(), turn: Promise.resolve() };
    this.#byId.set(config.networkId, network);
    return network;
  }

  forget(networkId: string): void {
    this.#byId.delete(networkId);
  }

  all(): Iterable<OverlayNetwork> {
    return this.#byId.values();
  }

  get(networkId: string): OverlayNetwork | undefined {
    return this.#byId.get(networkId);
  }

  /** @throws not-found */
  find(networkId: string): OverlayNetwork {
    const network = this.#byId.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  }

  /** @throws not-found */
  findEndpoint(ref: EndpointRef): { network: OverlayNetwork; endpoint: OverlayEndpoint } {
    const network = this.find(ref.networkId);
    const endpoint = network.endpoints.get(ref.endpointId);
    if (!endpoint) throw notFound(`endpoint ${ref.endpointId} does not exist`);
    return { network, endpoint };
  }
}

/** Work on what a host carries of a network, one after the other; the next one waits for a failed one too. */
export function inTurn<T>(network: OverlayNetwork, work: () => Promise<T>): Promise<T> {
  const mine = network.turn.then(work);
  network.turn = mine.catch(() => undefined);
  return mine;
}
