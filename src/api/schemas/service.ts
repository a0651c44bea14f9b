// Services on the wire. Docker has no such routes; the spelling is its own where that fits.

import { integer, list, object, type Static, string } from "./decode.ts";

const servicePort = object("ServicePort", {
  Protocol: string,
  PublishedPort: integer,
  TargetPort: integer,
});
export type ServicePortInput = Static<typeof servicePort>;

export const servicePortsRequest = object("ServicePortsRequest", { Ports: list(servicePort) });
export type ServicePortsRequest = Static<typeof servicePortsRequest>;

/** One of GET /networks/{id}/services. */
export interface ServiceBody {
  readonly Name: string;
  readonly NetworkID: string;
  readonly NetworkName: string;
  /** One per family. */
  readonly VIPs: readonly string[];
  readonly Ports: readonly ServicePortBody[];
  readonly Endpoints: readonly ServiceEndpointBody[];
  /** Ports that a host could not open; on all others that are up they are open. */
  readonly Closed: readonly ClosedPortBody[];
}

export interface ClosedPortBody {
  readonly NodeID: string;
  readonly NodeName: string;
  readonly Protocol: string;
  readonly PublishedPort: number;
  readonly Reason: string;
}

export interface ServicePortBody {
  /** `tcp`, `udp` or `sctp`. */
  readonly Protocol: string;
  readonly PublishedPort: number;
  readonly TargetPort: number;
}

export interface ServiceEndpointBody {
  readonly EndpointID: string;
  /** The container's name. */
  readonly Name: string;
  readonly NodeID: string;
  readonly NodeName: string;
  readonly Addresses: readonly string[];
  /** Whether it is given work. */
  readonly Ready: boolean;
  /** On the host that was asked. */
  readonly Local: boolean;
}
