// Addresses that are unique over hosts, agreed upon in a real etcd of three members.

import { afterAll, beforeAll, expect, test } from "vitest";
import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import type { AddressLoss } from "../../../src/driverapi/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { errorMessage } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { prefix } from "../cnm/specs.ts";
import { ClusterLab, type LabCluster, until } from "./etcd-cluster.ts";

const names = ["one", "two", "three"];
// long enough for what is to happen within it on a machine that stands still for two seconds
const graceMs = 8_000;
let lab: ClusterLab;
beforeAll(async () => {
  lab = await ClusterLab.create(names);
});
afterAll(async () => await lab?.[Symbol.asyncDispose]());

interface Host {
  readonly ipam: ClusterIpam;
  readonly losses: AddressLoss[];
}

async function open(cluster: LabCluster): Promise<{ hosts: readonly Host[] } & AsyncDisposable> {
  const hosts = await Promise.all(
    names.map(async (name) => {
      const access = await cluster.add(name);
      const ipam = await createClusterIpam({
        cluster: access,
        clusterId: cluster.id,
        graceMs,
        log: silentLog,
      });
      const losses: AddressLoss[] = [];
      ipam.followLosses((loss) => losses.push(loss));
      ipam.open();
      return { ipam, losses };
    }),
  );
  const close = async () => {
    for (const { ipam } of hosts) ipam.close();
    await cluster[Symbol.asyncDispose]();
  };
  return { hosts, [Symbol.asyncDispose]: close };
}

async function lease({ ipam }: Host, pool?: string): Promise<string> {
  const { poolId } = await ipam.requestPool({
    addressSpace: "GlobalDefault",
    family: 4,
    ...(pool && { pool: prefix(pool) }),
    options: {},
    networkName: "blue",
    exclude: [],
  });
  return poolId;
}

async function take({ ipam }: Host, poolId: string): Promise<string> {
  return formatAddress((await ipam.requestAddress({ poolId, purpose: "endpoint" })).address);
}

const reasonOf = (work: Promise<unknown>) => work.then(() => undefined, errorMessage);

test("hosts that lease all of a subnet at once get each address once", async () => {
  // a machine that stands still for two seconds is in touch with the store all the same
  await using world = await open(lab.cluster({ ttlSeconds: 10 }));
  const [first] = world.hosts;
  if (!first) throw new Error("no host");
  const poolId = await lease(first);
  await until(async () => (await first.ipam.usage(poolId)).available > 0n, "the pool is known");
  for (const host of world.hosts)
    await until(async () => (await host.ipam.usage(poolId)).available > 0n, "known");
  const all = await Promise.all(
    Array.from({ length: 254 }, (_, at) => take(world.hosts[at % names.length] ?? first, poolId)),
  );
  expect(new Set(all).size).toBe(254);
  expect(await reasonOf(take(first, poolId))).toBe("no available addresses on this pool");
});

test("a host that is cut off serves from its block, then others have it, then it finds out", async () => {
  const cluster = lab.cluster();
  await using world = await open(cluster);
  const [one, two] = world.hosts;
  if (!one || !two) throw new Error("no hosts");
  const poolId = await lease(two, "10.77.0.0/28");
  await until(async () => (await one.ipam.usage(poolId)).available > 0n, "the pool is known");
  const held = [await take(one, poolId), await take(one, poolId)];
  await cluster.partition("one");
  // three in a block of four: the fourth is the network's address
  held.push(await take(one, poolId));
  await until(
    async () =>
      (await reasonOf(take(one, poolId)))?.includes("whether its part of the pool is still its own") === true,
    "it stops",
  );
  const theirs: string[] = [];
  await until(async () => {
    await take(two, poolId).then(
      (address) => theirs.push(address),
      () => undefined,
    );
    return theirs.length === 14;
  }, "all addresses are another host's");
  await cluster.heal("one");
  await until(() => one.losses.length === held.length, "the host knows what it has lost");
  expect(one.losses.map(({ address }) => formatAddress(address)).toSorted()).toEqual(held.toSorted());
  expect(two.losses).toEqual([]);
});
