// The room's door: what hosts share when they form a cluster.

export { conflictingRecord, maxTransactionSize, type RecordName } from "./changeset.ts";
export { type ConnectOptions, connectCluster, type StoreCluster } from "./connect.ts";
export { FakeCluster, type FakeHost } from "./fake-cluster.ts";
export { GoneNodes, type GoneNodesOptions, type NodeRecord, removeRecords } from "./gone-nodes.ts";
export type {
  Change,
  CloseOptions,
  Cluster,
  ClusterAccess,
  ClusterNode,
  ClusterState,
  Entry,
  OwnRecords,
  OwnRecordsOptions,
  SharedTable,
  SharedTransaction,
} from "./types.ts";
