// The endpoints of one sandbox, as they come: those that the container was connected to, and the hidden one by which it
// leaves when none of those leads out (docker_gwbridge).

import { errorKind } from "../util/errors.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { checkEndpoint, checkInterfaceFree, checkMixture } from "./endpoint-check.ts";
import { checkApart, openGatewayNetwork } from "./gateway-network.ts";
import { Interfaces, namesOf } from "./interfaces.ts";
import { type JoinPlace, joinNetwork, reasonOf } from "./join.ts";
import type { Netns } from "./netns.ts";
import type { Network } from "./network.ts";
import type { EndpointSpec, SandboxSpec } from "./types.ts";

interface Surroundings {
  readonly sandboxId: string;
  readonly netnsPath: string;
  readonly netns: Netns | undefined;
  readonly hasIpv6: boolean;
  /** As it is now. */
  readonly spec: () => SandboxSpec;
  /** Told of each endpoint that joins. */
  readonly welcome: (endpoint: Endpoint) => void;
}

/** Where the hidden endpoint's link goes. */
interface GatewayPlace {
  /** Networks that it is the way out of. */
  readonly networks: readonly Network[];
  readonly ipv6: boolean;
  readonly freeIndex: number;
  readonly freeName: (prefix: string, networkId: string) => string;
}

/** How often a network may be removed by others while it is being joined. */
const mostTries = 3;

/** Owned by its sandbox. */
export class Members {
  readonly interfaces: Interfaces;
  /** Replaced by the sandbox when some have gone. */
  all: readonly Endpoint[] = [];
  readonly #parts: ControllerParts;
  readonly #around: Surroundings;

  constructor(parts: ControllerParts, around: Surroundings) {
    this.#parts = parts;
    this.#around = around;
    this.interfaces = new Interfaces(parts.memory, around.spec().containerId);
  }

  /** Those that the container was connected to, in that order. */
  get visible(): readonly Endpoint[] {
    return this.all.filter(({ isHidden }) => !isHidden);
  }

  /** Takes over endpoints that are there already. */
  adopt(endpoints: readonly Endpoint[]): void {
    this.all = endpoints;
    for (const endpoint of endpoints) {
      this.interfaces.note(endpoint);
      this.#parts.gatewayDemand.note(endpoint);
    }
  }

  /** @throws invalid, forbidden, not-found or unavailable; then nothing of it is left */
  async join(spec: EndpointSpec): Promise<Endpoint> {
    const network = this.#parts.networks.find(spec.network);
    const visible = this.visible;
    checkMixture(network, { sandbox: this.#around.spec(), others: visible.map((own) => own.network) });
    checkEndpoint(network, spec);
    checkInterfaceFree(spec, namesOf(this.all));
    const { interfaces } = this;
    const endpoint = await joinNetwork(this.#parts, network, {
      spec,
      place: {
        ...this.#place(network, this.#around.hasIpv6),
        freeIndex: interfaces.freeIndex,
        freeName: (prefix) => interfaces.freeName(prefix, network.id, this.all),
      },
    });
    this.#parts.gatewayDemand.note(endpoint);
    return this.#add(endpoint);
  }

  /** All of them, and beside them the hidden one where it is sure to be needed. What has joined stays when one fails. */
  async joinAll(specs: readonly EndpointSpec[]): Promise<void> {
    const networks = specs.map((spec) => this.#parts.networks.find(spec.network));
    const byId = specs.map((spec, at) => ({ ...spec, network: networks[at]?.id ?? spec.network }));
    this.interfaces.await(byId);
    const [joined, ahead] = await Promise.allSettled([
      this.#joinEach(byId),
      this.#joinGatewayAhead(networks, byId),
    ]);
    this.interfaces.await([]);
    if (ahead.status === "fulfilled" && ahead.value) this.#add(ahead.value);
    if (joined.status === "rejected") throw joined.reason;
    // it is tried again when it is due
    if (ahead.status === "rejected")
      this.#parts.log.debug(
        { container: this.#around.spec().containerId, ...reasonOf(ahead.reason) },
        "could not make the way out beside the network",
      );
  }

  /**
   * Gives the endpoints, as they are now, a way out where they need one. Answers the hidden endpoint when it is needed no
   * longer: that has left the list, and is the caller's to remove.
   */
  async alignGateway(): Promise<Endpoint | undefined> {
    const hidden = this.all.find(({ isHidden }) => isHidden);
    const isNeeded = needGateway(this.visible);
    if (!isNeeded) {
      this.all = this.visible;
      return hidden;
    }
    const networks = this.visible.map(({ network }) => network);
    if (hidden) {
      checkApart(hidden.network, { networks });
      return undefined;
    }
    const { interfaces } = this;
    this.#add(
      await this.#joinGateway({
        networks,
        ipv6: this.visible.some(needsIpv6Gateway),
        freeIndex: interfaces.freeIndex,
        freeName: (prefix, networkId) => interfaces.freeName(prefix, networkId, this.all),
      }),
    );
    return undefined;
  }

  async #joinEach(specs: readonly EndpointSpec[]): Promise<void> {
    for (const spec of specs) await this.join(spec);
  }

  /** Index and name are those that follow the others'. */
  async #joinGatewayAhead(
    networks: readonly Network[],
    specs: readonly EndpointSpec[],
  ): Promise<Endpoint | undefined> {
    const { gatewayDemand } = this.#parts;
    const { netns, hasIpv6 } = this.#around;
    const { interfaces } = this;
    if (!netns || this.all.length > 0 || !gatewayDemand.foresees(networks)) return undefined;
    return await this.#joinGateway({
      networks,
      ipv6: hasIpv6 && networks.some(({ record }) => record.enableIpv6),
      freeIndex: interfaces.freeIndex + specs.length,
      freeName: (prefix, networkId) => interfaces.lastName(prefix, networkId),
    });
  }

  async #joinGateway({ networks, ipv6, freeIndex, freeName }: GatewayPlace): Promise<Endpoint> {
    for (let tries = 1; ; tries++) {
      const network = await openGatewayNetwork(this.#parts, { networks, ipv6 });
      const spec = gatewaySpec(network);
      checkEndpoint(network, spec);
      const place = {
        ...this.#place(network, ipv6),
        freeIndex,
        freeName: (prefix: string) => freeName(prefix, network.id),
      };
      try {
        return await joinNetwork(this.#parts, network, { spec, place, isHidden: true });
      } catch (error) {
        // somebody has removed it in the meantime
        const isGone = this.#parts.networks.get(network.id) !== network && errorKind(error) === "not-found";
        if (!isGone || tries === mostTries) throw error;
      }
    }
  }

  #place(network: Network, hasIpv6: boolean): Omit<JoinPlace, "freeIndex" | "freeName"> {
    const { sandboxId, netnsPath, netns, spec } = this.#around;
    const remembered = this.#parts.memory.of(spec().containerId, network.id);
    const portsElsewhere = this.visible.some(({ network: other }) => !other.record.internal);
    return { sandboxId, spec: spec(), path: netnsPath, netns, hasIpv6, remembered, portsElsewhere };
  }

  #add(endpoint: Endpoint): Endpoint {
    this.interfaces.note(endpoint);
    this.all = [...this.all, endpoint];
    this.#around.welcome(endpoint);
    return endpoint;
  }
}

/** Some network leads nowhere by itself, and none of the others leads out. */
function needGateway(endpoints: readonly Endpoint[]): boolean {
  const leadsOut = endpoints.some(({ hasGateway }) => hasGateway[4] || hasGateway[6]);
  return !leadsOut && endpoints.some(({ record }) => record.needsGateway === true);
}

function needsIpv6Gateway({ record }: Endpoint): boolean {
  return record.needsGateway === true && record.interface.addressIpv6 !== undefined;
}

/** Whatever else leads out goes first. */
function gatewaySpec({ id }: Network): EndpointSpec {
  return {
    network: id,
    linkLocal: [],
    aliases: [],
    links: [],
    driverOptions: {},
    gatewayPriority: Number.MIN_SAFE_INTEGER,
  };
}
