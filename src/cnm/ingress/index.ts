// Ports of services, open on every host.

export type { ClosedPort } from "./closed-ports.ts";
export { Ingress, type IngressChange, type IngressOptions } from "./ingress.ts";
export { isIngressId } from "./ingress-spec.ts";
