// Services of the cluster's networks, as others are shown them: endpoints that go by one name and one virtual address.
// How they come to be is in service-records.ts.

import type { Address } from "../../netip/index.ts";

/** One endpoint behind a service. */
export interface ServiceBackend {
  readonly endpointId: string;
  /** The id of its host. */
  readonly node: string;
  readonly containerName: string;
  readonly addresses: readonly Address[];
  /** Whether it is to be given work: its host's lease lives, and its health check, if it has one, says that it is well. */
  readonly isReady: boolean;
  /** It is on this host. */
  readonly isLocal: boolean;
}

/** A port that every host of the cluster opens for a service. */
export interface PublishedService {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly publishedPort: number;
  readonly targetPort: number;
}

export interface Service {
  readonly networkId: string;
  readonly networkName: string;
  /** In lower case. */
  readonly name: string;
  /** One per family of the network. */
  readonly vips: readonly Address[];
  readonly published: readonly PublishedService[];
  /** Those of all hosts, ready or not, in the order of their ids. */
  readonly backends: readonly ServiceBackend[];
}

/** A service that is no more. */
export type ServiceRef = Pick<Service, "networkId" | "name">;

/** What the controller says and does of services. Without a cluster there are none. */
export interface ServiceControl {
  /** By network and name; of one network, by its id. */
  services(networkId?: string): readonly Service[];
  /**
   * Opens ports of every host for a service. A port that is open already in the same way stays so.
   *
   * @throws invalid; not-found; conflict when another service of the cluster has one of the ports, or this one has it for
   * another target: then none is opened; unavailable
   */
  publishService(networkId: string, name: string, ports: readonly PublishedService[]): Promise<Service>;
  /** @throws not-found for the service, or when it has not all of these ports; unavailable */
  unpublishService(networkId: string, name: string, ports: readonly PublishedService[]): Promise<Service>;
  /**
   * Tells of services that came, changed in any way or went from now on, some changes at once. What there is already
   * `services` says.
   */
  followServices(listener: (changed: readonly Service[], gone: readonly ServiceRef[]) => void): () => void;
}
