// Services of the cluster's networks: endpoints that go by one name and one virtual address.

import type { PublishedService, Service, ServiceBackend } from "../../cnm/index.ts";
import type { Filters } from "./stream.ts";

// what is asked of the model is the model's
export type { PublishedService } from "../../cnm/index.ts";

/** An endpoint behind a service, with its host by name. */
export interface ServiceEndpointView extends ServiceBackend {
  /** The host's id while its name is not known. */
  readonly nodeName: string;
}

/** A published port that is not open on one host. */
export interface ClosedServicePort {
  readonly node: string;
  readonly nodeName: string;
  readonly protocol: PublishedService["protocol"];
  readonly publishedPort: number;
  readonly reason: string;
}

export interface ServiceView extends Service {
  readonly backends: readonly ServiceEndpointView[];
  /** By host; on all others that are up they are open. */
  readonly closed: readonly ClosedServicePort[];
}

/** A port that is published. Of another protocol than tcp only when it is said. */
export type PublishedPortRef = Pick<PublishedService, "protocol" | "publishedPort">;

export interface ServiceOperations {
  /** Of one network, in the order of their names. @throws not-found for the network */
  list(network: string, filters: Filters): Promise<readonly ServiceView[]>;
  /** @throws not-found for the network or the service */
  inspect(network: string, name: string): Promise<ServiceView>;
  /**
   * Opens ports of every host.
   * @throws not-found; invalid; conflict when one is another service's; unavailable while the store is away
   */
  publish(network: string, name: string, ports: readonly PublishedService[]): Promise<ServiceView>;
  /** @throws not-found for the service or a port that it has not published; unavailable */
  unpublish(network: string, name: string, ports: readonly PublishedPortRef[]): Promise<ServiceView>;
}
