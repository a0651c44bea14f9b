// Networks of the cluster, while this host is in one.

import { forbidden, notFound, unavailable } from "../../util/errors.ts";
import type { Undo } from "../../util/undo.ts";
import { serviceOf } from "../names.ts";
import type { Balanced } from "../netns.ts";
import type { Network } from "../network.ts";
import type { EndpointRecord } from "../records.ts";
import type { GlobalNetworks } from "./global-networks.ts";
import { LocalEndpoints } from "./local-endpoints.ts";
import { keyOn } from "./records.ts";
import type { PublishedService, Service, ServiceControl, ServiceRef } from "./services.ts";

export { type ClusterEntry, GlobalNetworks, type GlobalSurroundings } from "./global-networks.ts";
export type { EndpointLoss } from "./losses.ts";
export { SandboxBalance } from "./sandbox-balance.ts";
export { ToldNames } from "./told-names.ts";

type ServiceListener = Parameters<ServiceControl["followServices"]>[0];

/** An endpoint as it is announced. */
export interface Announced {
  readonly network: Network;
  readonly record: EndpointRecord;
  readonly addresses: ServiceBackendAddresses;
}

type ServiceBackendAddresses = Service["backends"][number]["addresses"];

/** What the controller's pieces ask about networks that may be the cluster's. Without a cluster there are none. */
export class GlobalShare implements ServiceControl {
  current: GlobalNetworks | undefined;
  /** What is on them here. */
  readonly local = new LocalEndpoints();
  readonly #followers = new Set<ServiceListener>();

  /** @throws forbidden when this host is in no cluster */
  require(driver: string): GlobalNetworks {
    if (!this.current)
      throw forbidden(
        `driver "${driver}" needs a cluster, and this host is in none that has answered yet: form one with ` +
          '"tsdocker cluster init", join one with "tsdocker cluster join", or start the daemon with --cluster-store',
      );
    return this.current;
  }

  /** An endpoint is about to be on a network. @throws see `GlobalNetworks.use` */
  async use(network: Network): Promise<void> {
    if (!isGlobal(network)) return;
    if (!this.current) throw unavailable(`network ${network.name} is a cluster's, and this host is in none`);
    await this.current.use(network);
  }

  /** An endpoint is off a network. */
  left(network: Network): void {
    if (isGlobal(network)) this.current?.left(network);
  }

  async publish(network: Network, undo: Undo): Promise<void> {
    await this.require(network.record.driver).publish(network, undo);
  }

  /** Other hosts may call the endpoint by its names, soon. Answers whether it is ready: those of one host alone are. */
  announce({ network, record, addresses }: Announced): boolean {
    if (!isGlobal(network)) return true;
    const { id: endpointId, networkId, containerId, containerName, names } = record;
    const service = serviceOf(record.spec);
    const endpoint = { networkId, endpointId, containerId, containerName, names, addresses };
    this.local.set(service === undefined ? endpoint : { ...endpoint, service });
    return this.local.isReady(containerId);
  }

  /** Nobody may call it any more. */
  withdraw(endpointId: string): void {
    this.local.delete(endpointId);
  }

  /** What a sandbox on these networks is to balance; undefined: that is not known now. */
  balanceOf(networks: readonly Network[]): readonly Balanced[] | undefined {
    const ids = networks.filter(isGlobal).map(({ id }) => id);
    if (ids.length === 0) return [];
    return this.current?.services.balanceOf(ids);
  }

  services(networkId?: string): readonly Service[] {
    return this.current?.services.all(networkId) ?? [];
  }

  publishService(networkId: string, name: string, ports: readonly PublishedService[]): Promise<Service> {
    return this.#requireServices(name).publish(keyOn(networkId, name.toLowerCase()), ports);
  }

  unpublishService(networkId: string, name: string, ports: readonly PublishedService[]): Promise<Service> {
    return this.#requireServices(name).unpublish(keyOn(networkId, name.toLowerCase()), ports);
  }

  followServices(listener: ServiceListener): () => void {
    const own: ServiceListener = (changed, gone) => listener(changed, gone);
    this.#followers.add(own);
    return () => void this.#followers.delete(own);
  }

  tellServices(changed: readonly Service[], gone: readonly ServiceRef[]): void {
    for (const listener of [...this.#followers]) listener(changed, gone);
  }

  #requireServices(name: string) {
    if (!this.current) throw notFound(`service ${name} not found: this host is in no cluster`);
    return this.current.services;
  }
}

export function isGlobal({ record }: Pick<Network, "record">): boolean {
  return record.scope === "global" && !record.configOnly;
}
