// Ports that change while a container is there. Docker has no such request; its words are those of HostConfig.PortBindings.

import type { PortMap } from "./container.ts";
import { list, map, object, type Static, string } from "./decode.ts";

const portBindings = map(list(object("PortBinding", { HostIp: string, HostPort: string })));

/** POST /containers/{id}/ports. */
export const portsRequest = object("PortsRequest", { Add: portBindings, Remove: portBindings });
export type PortsRequest = Static<typeof portsRequest>;

export interface PortsResponse {
  /** As in NetworkSettings: what is published now. */
  readonly Ports: PortMap;
}
