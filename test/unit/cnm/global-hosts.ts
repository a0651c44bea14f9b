// Controllers of several hosts with fake drivers, in one fake cluster.

import { afterEach, beforeEach } from "vitest";
import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import { FakeCluster, type FakeHost } from "../../../src/cluster/fake-cluster.ts";
import type { EndpointLoss, EndpointSpec } from "../../../src/cnm/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type FakeWorld, type FakeWorldOptions } from "./fakes.ts";

export interface HostWorld extends FakeWorld {
  readonly node: FakeHost;
  readonly overlay: FakeDriver;
  readonly ipam: ClusterIpam;
  readonly losses: EndpointLoss[];
}

/** A fresh cluster for each test of a file. */
export function useCluster() {
  let cluster: FakeCluster;
  const ipams: ClusterIpam[] = [];
  beforeEach(() => {
    cluster = new FakeCluster();
  });
  afterEach(() => {
    for (const ipam of ipams.splice(0)) ipam.close();
  });

  /** A daemon on a host of the cluster. */
  const start = async (node: FakeHost, options: FakeWorldOptions = {}): Promise<HostWorld> => {
    const ipam = await createClusterIpam({ cluster: node, clusterId: cluster.id, log: silentLog });
    ipams.push(ipam);
    const losses: EndpointLoss[] = [];
    let overlay: FakeDriver | undefined;
    const world = await createFakeWorld({
      cluster: { cluster: node, ipam },
      endpointLost: (loss) => losses.push(loss),
      drivers: (steps) => {
        overlay = new FakeDriver(steps, "overlay", { scope: "global", connectivityScope: "global" });
        return [overlay];
      },
      ...options,
    });
    if (!overlay) throw new Error("no driver was made");
    await cluster.settled();
    return { ...world, node, overlay, ipam, losses };
  };

  const host = async (id: string) => await start(await cluster.addNode(id));

  const settled = async (...worlds: readonly FakeWorld[]): Promise<void> => {
    for (let round = 0; round < 5; round++) {
      await cluster.settled();
      for (const { controller } of worlds) await controller.settle();
    }
  };

  return {
    cluster: () => cluster,
    /** Closed after each test. */
    ipams,
    start,
    host,
    settled,
    /** Hosts h1, h2, … and the networks blue and red on all of them. */
    hosts: async (count: number): Promise<HostWorld[]> => {
      const worlds: HostWorld[] = [];
      for (let number = 1; number <= count; number++) worlds.push(await host(`h${number}`));
      for (const name of ["blue", "red"])
        await worlds[0]?.controller.createNetwork(networkSpec(name, { driver: "overlay" }));
      await settled(...worlds);
      return worlds;
    },
  };
}

/** A daemon ends, and what it had is left as it was. */
export async function stop({ controller, node, ipam }: HostWorld): Promise<void> {
  const end = await controller.enterCluster({ cluster: node, ipam });
  await end({ leaves: false });
  ipam.close();
}

export const idOf = (name: string) => name.padEnd(64, "0");

/** A container of this name; on blue unless said otherwise. */
export async function run(
  { controller }: FakeWorld,
  name: string,
  { network = "blue", ...endpoint }: Partial<EndpointSpec> = {},
) {
  return await controller.createSandbox(
    sandboxSpec(name, { containerId: idOf(name), endpoints: [endpointSpec(network, endpoint)] }),
  );
}

/** A container of a service. */
export const serve = (world: FakeWorld, name: string, service = "web", more: Partial<EndpointSpec> = {}) =>
  run(world, name, { ...more, driverOptions: { "tsdocker.service": service } });

/** What a name is answered with on a host, as its resolvers were told. */
export function asked({ resolvers, controller }: FakeWorld, name: string, network = "blue"): string[] {
  const { id } = controller.network(network);
  return [...resolvers.records.values()]
    .filter(({ networkId, names }) => networkId === id && names.includes(name))
    .map(({ addresses, isReady }) => addresses.map(formatAddress).join() + (isReady === false ? "?" : ""))
    .toSorted();
}

export async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? `${errorKind(error)}: ${error.message}` : "no failure";
}
