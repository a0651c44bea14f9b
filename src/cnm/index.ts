// The container network model: controller, networks, endpoints, sandboxes.

export { type Controller, type ControllerOptions, createController } from "./controller.ts";
export type { DefaultBridgeConfig } from "./default-networks.ts";
export type { OtherDrivers, PluginDrivers } from "./driver-list.ts";
export type { HostFiles } from "./etc-files.ts";
export type { ClusterEntry, EndpointLoss } from "./global/index.ts";
export type {
  PublishedService,
  Service,
  ServiceBackend,
  ServiceControl,
  ServiceRef,
} from "./global/services.ts";
export { type WatchedHostRoutes, watchHostRoutes } from "./host-routes.ts";
export { type ClosedPort, Ingress, type IngressChange, isIngressId } from "./ingress/index.ts";
export { createNetnsMaker, type SetBalance, type SetDnsRedirect } from "./kernel-netns.ts";
export type { Balanced, Netns, NetnsMaker } from "./netns.ts";
export type { Network } from "./network.ts";
export type { LiveContainers } from "./restore.ts";
export type { Sandbox } from "./sandbox.ts";
export type { Keep, KeptChange } from "./sandbox-records.ts";
export type * from "./types.ts";
