// The IPAM driver of clusters on a stage: a cluster of one host, which outlives the driver's instances.

import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import { FakeCluster, type FakeHost } from "../../../src/cluster/fake-cluster.ts";
import type { IpamStage } from "../../../src/driververify/index.ts";
import { silentLog } from "../../../src/util/log.ts";

export async function openClusterIpam(): Promise<IpamStage> {
  const cluster = await new FakeCluster().addNode("verify");
  const driver = await create(cluster);
  // nothing is on record yet
  driver.open();
  return new ClusterStage(cluster, driver);
}

function create(cluster: FakeHost): Promise<ClusterIpam> {
  return createClusterIpam({ cluster, clusterId: "verify", log: silentLog });
}

class ClusterStage implements IpamStage {
  readonly whyNoRestart = undefined;
  readonly whyNoKinds = undefined;
  readonly #cluster: FakeHost;
  driver: ClusterIpam;

  constructor(cluster: FakeHost, driver: ClusterIpam) {
    this.#cluster = cluster;
    this.driver = driver;
  }

  async restart(): Promise<void> {
    this.driver.close();
    this.driver = await create(this.#cluster);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.driver.close();
    await this.#cluster.close();
  }
}
