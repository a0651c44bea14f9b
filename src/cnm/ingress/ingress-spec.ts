// What a network's ingress on this host is to be: its sandbox, and which ports lead where. Pure.

import type { Address } from "../../netip/index.ts";
import { shortId } from "../../util/ids.ts";
import type { PublishedService, Service } from "../global/services.ts";
import type { Network } from "../network.ts";
import type { PortBinding, SandboxSpec } from "../types.ts";

/** A port from outside, and who is ready to serve it. */
export interface IngressPort {
  readonly protocol: PublishedService["protocol"];
  readonly port: number;
  readonly targetPort: number;
  readonly backends: readonly Address[];
}

/** What the sandbox's namespace is told. */
export interface IngressRules {
  /** The link that is on the services' network. */
  readonly link: string;
  readonly ports: readonly IngressPort[];
  /** Endpoints that see clients as they are, but for these clients. Absent: none does. */
  readonly direct?: { readonly addresses: readonly Address[]; readonly except: readonly Address[] };
}

const idPrefix = "ingress-";

/** The id of the sandbox, in place of a container's: one per host and network. */
export function ingressId(networkId: string): string {
  return `${idPrefix}${shortId(networkId)}`;
}

/** No container has such an id. */
export function isIngressId(containerId: string): boolean {
  return containerId.startsWith(idPrefix);
}

/** Ports of services that have an endpoint somewhere; of an internal network nobody outside may come in. */
export function ingressPorts(services: readonly Service[]): IngressPort[] {
  return services
    .filter(({ backends }) => backends.length > 0)
    .flatMap(({ published, backends }) => {
      const ready = backends.filter(({ isReady }) => isReady).flatMap(({ addresses }) => addresses);
      return published.map(({ protocol, publishedPort, targetPort }) => ({
        protocol,
        port: publishedPort,
        targetPort,
        backends: ready,
      }));
    });
}

/** A netns that forwards, on the network and on no other. */
export function ingressSandbox({ id, name }: Pick<Network, "id" | "name">): SandboxSpec {
  return {
    containerId: ingressId(id),
    containerName: `ingress_${name}`,
    hostname: "",
    netns: "own",
    sysctls: { "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" },
    files: {},
    dns: {},
    extraHosts: [],
    exposedPorts: [],
    portBindings: [],
    publishAll: false,
    endpoints: [
      { network: id, linkLocal: [], aliases: [], links: [], driverOptions: {}, gatewayPriority: 0 },
    ],
    isIngress: true,
  };
}

/** The same number inside as outside: no two services of a cluster have one port. */
export function bindingOf({ protocol, port }: Pick<IngressPort, "protocol" | "port">): PortBinding {
  return { protocol, containerPort: port, hostPorts: { first: port, last: port } };
}

export function portKey({ protocol, port }: Pick<IngressPort, "protocol" | "port">): string {
  return `${port}/${protocol}`;
}
