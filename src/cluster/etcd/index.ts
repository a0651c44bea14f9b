// A client for etcd's v3 API: what a cluster of hosts needs of it.

export { type CallOptions, EtcdClient, type EtcdOptions } from "./client.ts";
export type { Connection, Tls } from "./connection.ts";
export { type Endpoint, parseEndpoints } from "./endpoint.ts";
export * from "./kv.ts";
export * from "./lease.ts";
export * from "./members.ts";
export { CompactedError, openWatch, type RunningWatch, type WatchOptions } from "./watch.ts";
