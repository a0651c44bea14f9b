// The daemon's side of tsdocker-proxy.

export { type ProxyHandle, type ProxyOptions, startProxy } from "./handle.ts";
export type {
  Forward,
  Forwarder,
  ParkedSockets,
  ProxyCounters,
  ResolverConfig,
  ResolverPorts,
  Resolvers,
  Upstream,
  ZoneRecord,
} from "./types.ts";
