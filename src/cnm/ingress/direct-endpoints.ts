// Endpoints on this host that see clients as they are: whose container is on the services' network alone, so that all its
// answers may go back by the ingress.

import type { Address } from "../../netip/index.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Controller } from "../controller.ts";
import { gatewayNetworkName } from "../gateway-demand.ts";
import type { Service } from "../global/services.ts";
import type { Network } from "../network.ts";
import type { Sandbox } from "../sandbox.ts";
import type { IngressRules } from "./ingress-spec.ts";
import { addReturnPath, deleteReturnPath, type ReturnPath, returnPathKey } from "./return-path.ts";

/** Changes what a container's netns knows; stands in for the kernel in tests. */
export interface ReturnPaths {
  add(path: ReturnPath): Promise<void>;
  delete(path: ReturnPath): Promise<void>;
}

export const kernelReturnPaths: ReturnPaths = { add: addReturnPath, delete: deleteReturnPath };

export interface DirectHands {
  readonly controller: Pick<Controller, "sandbox" | "networks">;
  readonly returnPaths: ReturnPaths;
  readonly log: Log;
}

/** Of one network; knows what it has changed where. */
export class DirectEndpoints {
  readonly #hands: DirectHands;
  #paths: ReadonlyMap<string, ReturnPath> = new Map();

  constructor(hands: DirectHands) {
    this.#hands = hands;
  }

  /** Leads their answers to the ingress, before any client comes with its own address. */
  async align(
    network: Network,
    { ingress, services }: { readonly ingress: Sandbox; readonly services: readonly Service[] },
  ): Promise<NonNullable<IngressRules["direct"]>> {
    const wanted = new Map(
      this.#wanted(network, { ingress, services }).map((path) => [returnPathKey(path), path]),
    );
    const failed = new Set<string>();
    for (const [key, path] of wanted)
      if (!this.#paths.has(key) && !(await this.#tolerate(() => this.#hands.returnPaths.add(path))))
        failed.add(key);
    await this.#deleteOthers(wanted);
    this.#paths = new Map([...wanted].filter(([key]) => !failed.has(key)));
    const addresses = [...this.#paths.values()].flatMap(({ hops }) => hops.map(({ from }) => from));
    return { addresses, except: this.#gateways() };
  }

  /** There is no ingress any more. */
  async end(): Promise<void> {
    await this.#deleteOthers(new Map());
    this.#paths = new Map();
  }

  async #deleteOthers(wanted: ReadonlyMap<string, ReturnPath>): Promise<void> {
    const places = new Set([...wanted.values()].map(({ netns }) => netns));
    // another path of the same sandbox has taken its place
    for (const [key, path] of this.#paths)
      if (!wanted.has(key) && !places.has(path.netns))
        await this.#tolerate(() => this.#hands.returnPaths.delete(path));
  }

  #wanted(
    network: Network,
    { ingress, services }: { readonly ingress: Sandbox; readonly services: readonly Service[] },
  ): ReturnPath[] {
    const legs = addressesOn(ingress, network);
    const local = services
      .filter(({ published }) => published.length > 0)
      .flatMap(({ backends }) => backends.filter(({ isLocal }) => isLocal));
    return local.flatMap(({ endpointId }) => {
      const containerId = network.endpoints.get(endpointId)?.record.containerId;
      const sandbox = containerId === undefined ? undefined : this.#hands.controller.sandbox(containerId);
      const [endpoint, ...others] = sandbox?.endpoints() ?? [];
      if (!sandbox || endpoint?.interfaceName === undefined || others.length > 0) return [];
      const hops = addressesOn(sandbox, network).flatMap((from) => {
        const via = legs.find(({ family }) => family === from.family);
        return via ? [{ from, via }] : [];
      });
      return [{ netns: sandbox.netnsPath, link: endpoint.interfaceName, hops }];
    });
  }

  /** The host itself, and containers that come back to their own bridge: they are beside every container there. */
  #gateways(): Address[] {
    const gateway = this.#hands.controller.networks().find(({ name }) => name === gatewayNetworkName);
    return gateway?.record.pools.flatMap((pool) => pool.gateway ?? []) ?? [];
  }

  /** A sandbox may be on its way out. Answers whether it was done. */
  async #tolerate(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#hands.log.debug(
        { reason: errorMessage(error) },
        "cannot change the way of a container's answers",
      );
      return false;
    }
  }
}

function addressesOn(sandbox: Sandbox, { id }: Network): Address[] {
  const endpoint = sandbox.endpoints().find(({ networkId }) => networkId === id);
  return [endpoint?.ipv4, endpoint?.ipv6].flatMap((prefix) => prefix?.address ?? []);
}
