// The cluster over a real etcd of three members keeps what every cluster keeps.

import { afterAll, beforeAll } from "vitest";
import { describeSharedTables } from "../../unit/cluster/shared-tables.ts";
import { ClusterLab } from "./etcd-cluster.ts";

let lab: ClusterLab;

beforeAll(async () => {
  lab = await ClusterLab.create(["one", "two", "three"]);
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());

describeSharedTables("a cluster over etcd", async () => lab.cluster());
