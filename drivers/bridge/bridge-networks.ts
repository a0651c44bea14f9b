// What the driver knows: its networks, their endpoints, and what they claim of the host. No kernel.

import type { EndpointInterface, EndpointRef, JoinResponse } from "../../src/driverapi/index.ts";
import type { Address } from "../../src/netip/index.ts";
import { notFound } from "../../src/util/errors.ts";
import type { BridgeLink } from "./bridge-link.ts";
import { Claims } from "./conflicts.ts";
import type { BridgeConfig } from "./options.ts";
import type { Publication } from "./publish.ts";

export interface BridgeNetwork {
  readonly config: BridgeConfig;
  /** Undefined while it is made. */
  link?: BridgeLink;
  readonly endpoints: Map<string, BridgeEndpoint>;
  /** Some of it may be gone. */
  isGoing?: boolean;
}

export interface BridgeEndpoint {
  readonly interface: EndpointInterface;
  /** What it has besides, of its link alone. */
  readonly linkLocal?: readonly Address[];
  readonly driverOpts: Readonly<Record<string, string>>;
  /** Name of the bridge's end of its link. */
  readonly port: string;
  readonly isHairpin: boolean;
  joined?: { readonly sandboxKey: string; readonly response: JoinResponse };
  ports?: Publication;
  /** Something was ever let through for its legacy links. */
  hasLinks?: boolean;
}

/** The addresses that a container has on the network. */
export function addressesOf({ interface: { address, addressIpv6 } }: BridgeEndpoint): Address[] {
  return [address, addressIpv6].flatMap((prefix) => (prefix ? [prefix.address] : []));
}

/** Owned by the driver. */
export class BridgeNetworks {
  readonly #byId = new Map<string, BridgeNetwork>();
  readonly #claims = new Claims();

  /** @throws forbidden when another network has its device, or a part of its subnets */
  add(config: BridgeConfig): BridgeNetwork {
    this.#claims.add(config);
    const network: BridgeNetwork = { config, endpoints: new Map() };
    this.#byId.set(config.networkId, network);
    return network;
  }

  forget(networkId: string): void {
    this.#byId.delete(networkId);
    this.#claims.remove(networkId);
  }

  all(): Iterable<BridgeNetwork> {
    return this.#byId.values();
  }

  get(networkId: string): BridgeNetwork | undefined {
    return this.#byId.get(networkId);
  }

  /** @throws not-found */
  find(networkId: string): BridgeNetwork {
    const network = this.#byId.get(networkId);
    if (!network) throw notFound(`network ${networkId} does not exist`);
    return network;
  }

  /** @throws not-found */
  findEndpoint(ref: EndpointRef): { network: BridgeNetwork; endpoint: BridgeEndpoint } {
    const network = this.find(ref.networkId);
    const endpoint = network.endpoints.get(ref.endpointId);
    if (!endpoint) throw notFound(`endpoint ${ref.endpointId} does not exist`);
    return { network, endpoint };
  }

  /** Undefined when it, or its network, is gone. */
  endpoint({ networkId, endpointId }: EndpointRef): BridgeEndpoint | undefined {
    return this.#byId.get(networkId)?.endpoints.get(endpointId);
  }
}
