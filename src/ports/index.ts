// Host ports: chosen and reserved by bound sockets, so that a taken port is an error and stays one.

export { createPorts, type PortsOptions } from "./ports.ts";
export type { OwnedPorts, PortLease, PortRequest, Ports } from "./types.ts";
