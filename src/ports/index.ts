// Host ports: chosen and reserved by bound sockets, so that a taken port is an error and stays one.

export { createPorts } from "./ports.ts";
export type { PortLease, PortRequest, Ports } from "./types.ts";
