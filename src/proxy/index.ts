// The daemon's side of tsdocker-proxy.

export type { Forward, Forwarder, ResolverConfig, ResolverPorts, Resolvers, ZoneRecord } from "./types.ts";
