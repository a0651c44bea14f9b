// The room's door: what hosts share when they form a cluster.

export type {
  Change,
  Cluster,
  ClusterAccess,
  ClusterNode,
  ClusterState,
  Entry,
  SharedTable,
  SharedTransaction,
} from "./types.ts";
