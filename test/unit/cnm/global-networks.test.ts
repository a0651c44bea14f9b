// Networks of a cluster, as the controllers of several hosts with fake drivers see them.

import { describe, expect, test } from "vitest";
import { createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import { formatPrefix } from "../../../src/netip/index.ts";
import { unavailable } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { networkSpec, pool } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type FakeWorld } from "./fakes.ts";
import { failure, run, stop, useCluster } from "./global-hosts.ts";

const { cluster, host, ipams, settled, start } = useCluster();
const two = async () => [await host("h1"), await host("h2")] as const;

const blue = (more: Partial<Parameters<typeof networkSpec>[1]> = {}) =>
  networkSpec("blue", { driver: "overlay", ...more });
const names = ({ controller }: FakeWorld) => controller.networks().map(({ name }) => name);

describe("a network of the cluster", () => {
  test("is there on every host, with one id, one subnet and one gateway", async () => {
    const [h1, h2] = await two();
    const made = await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const seen = await h2.controller.network("blue").view();
    expect(seen).toMatchObject({ id: made.id, name: "blue", driver: "overlay", scope: "global" });
    expect(seen.ipam).toEqual((await made.view()).ipam);
    expect(seen.ipam.pools.map(({ subnet }) => subnet && formatPrefix(subnet))).toEqual(["10.0.0.0/24"]);
    expect(h2.overlay.networks).toEqual(new Set([made.id]));
    // host and none, and nothing that would have to agree with the cluster's record
    expect(h1.store.sizes().networks).toBe(2);
  });

  test("is known to a host that joins later, and to one that starts again", async () => {
    const [h1] = await two();
    const { id } = await h1.controller.createNetwork(blue());
    const h3 = await host("h3");
    expect(h3.controller.network("blue").id).toBe(id);
    const again = await start(h3.node, { after: h3 });
    expect(again.controller.network("blue").id).toBe(id);
    expect(again.overlay.networks).toEqual(new Set([id]));
  });

  test("is there as soon as a host that runs enters the cluster, and gone when it leaves", async () => {
    const [h1] = await two();
    await h1.controller.createNetwork(blue());
    const node = await cluster().addNode("h3");
    const world = await createFakeWorld({
      drivers: (steps) => [new FakeDriver(steps, "overlay", { scope: "global" })],
    });
    expect(await failure(world.controller.createNetwork(blue()))).toEqual(
      expect.stringMatching(/^forbidden: driver "overlay" needs a cluster.*tsdocker cluster init/),
    );
    const ipam = await createClusterIpam({ cluster: node, clusterId: cluster().id, log: silentLog });
    ipams.push(ipam);
    const heard: string[] = [];
    const changed = (action: string, { name }: { readonly name: string }) => heard.push(`${action} ${name}`);
    const end = await world.controller.enterCluster({ cluster: node, ipam, changed });
    expect(names(world)).toContain("blue");
    await run(world, "c1");
    // others' doings are told, and neither what was there before nor its own
    await h1.controller.createNetwork(networkSpec("red", { driver: "overlay" }));
    await world.controller.createNetwork(networkSpec("green", { driver: "overlay" }));
    await settled(h1);
    await h1.controller.deleteNetwork("red");
    await world.controller.deleteNetwork("green");
    await settled(h1);
    expect(heard).toEqual(["create red", "destroy red"]);
    await end({ leaves: true });
    expect(heard).toHaveLength(2);
    expect(names(world)).not.toContain("blue");
    await settled(h1);
    expect(names(h1)).toContain("blue");
  });

  test("has addresses that are unique over all hosts", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const sandboxes = [await run(h1, "c1"), await run(h2, "c2"), await run(h1, "c3")];
    const addresses = sandboxes
      .map((sandbox) => sandbox.endpoints()[0]?.ipv4)
      .map((it) => it && formatPrefix(it));
    expect(addresses).toEqual(["10.0.0.2/24", "10.0.0.16/24", "10.0.0.3/24"]);
  });

  test("has a name that the store gives to one of two hosts that want it at once", async () => {
    const [h1, h2] = await two();
    const both = await Promise.all([
      failure(h1.controller.createNetwork(blue())),
      failure(h2.controller.createNetwork(blue())),
    ]);
    expect(both.toSorted()).toEqual(["conflict: network with name blue already exists", "no failure"]);
    await settled(h1, h2);
    expect(h1.controller.network("blue").id).toBe(h2.controller.network("blue").id);
    expect(h1.overlay.networks).toEqual(h2.overlay.networks);
    // the loser's subnet is free again
    const red = await h1.controller.createNetwork(networkSpec("red", { driver: "overlay" }));
    const subnets = (network: typeof red) => network.record.pools.map(({ subnet }) => formatPrefix(subnet));
    expect([...subnets(h1.controller.network("blue")), ...subnets(red)].toSorted()).toEqual([
      "10.0.0.0/24",
      "10.0.1.0/24",
    ]);
  });

  test("has a subnet that no other has, wherever it was made", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue({ ipam: { driver: "", pools: [pool("10.5.0.0/16")] } }));
    await settled(h1, h2);
    const red = networkSpec("red", { driver: "overlay", ipam: { driver: "", pools: [pool("10.5.7.0/24")] } });
    expect(await failure(h2.controller.createNetwork(red))).toBe(
      "forbidden: Pool overlaps with other one on this address space: 10.5.7.0/24 with 10.5.0.0/16 of network blue",
    );
    expect(names(h2)).not.toContain("red");
  });

  test("leaves nothing on any host when it cannot be made", async () => {
    const [h1, h2] = await two();
    h1.steps.failAt(1);
    expect(await failure(h1.controller.createNetwork(blue()))).toMatch(/injected: overlay: create network/);
    h1.steps.failAt(undefined);
    await settled(h1, h2);
    expect([names(h1), names(h2)].flat()).not.toContain("blue");
    await h2.controller.createNetwork(blue());
    expect(h2.controller.network("blue").record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual([
      "10.0.0.0/24",
    ]);
  });

  test("is made although the answer of the store is lost", async () => {
    const [h1, h2] = await two();
    const node = cluster();
    const create = h1.overlay.createNetwork.bind(h1.overlay);
    h1.overlay.createNetwork = async (request) => {
      await create(request);
      node.loseNextAnswer("h1");
    };
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    expect(names(h1)).toContain("blue");
    expect(names(h2)).toContain("blue");
    await run(h2, "c1");
  });
});

describe("removing a network of the cluster", () => {
  test("takes it from every host, and its subnet and name are free", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    await h2.controller.deleteNetwork("blue");
    await settled(h1, h2);
    expect([names(h1), names(h2)].flat()).not.toContain("blue");
    expect([...h1.overlay.networks, ...h2.overlay.networks]).toEqual([]);
    const again = await h1.controller.createNetwork(blue());
    expect(again.record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual(["10.0.0.0/24"]);
  });

  test("is refused while another host has containers on it, and says which", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const sandbox = await run(h2, "c1");
    expect(await failure(h1.controller.deleteNetwork("blue"))).toBe(
      "forbidden: error while removing network: network blue has active endpoints on h2",
    );
    // the refusal has changed nothing
    await run(h1, "c2").then((own) => own.delete());
    await run(h2, "c3").then((other) => other.delete());
    await sandbox.delete();
    await settled(h1, h2);
    await h1.controller.deleteNetwork("blue");
    await settled(h1, h2);
    expect(names(h2)).not.toContain("blue");
  });

  test("waits for a host whose last container has just gone", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const sandbox = await run(h2, "c1");
    await sandbox.delete();
    await h1.controller.deleteNetwork("blue");
  });

  test("is not refused for a host that had to say more than once that it is done", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const sandbox = await run(h2, "c1");
    const users = await h2.node.table("network-users");
    const remove = users.delete.bind(users);
    let failures = 0;
    users.delete = async (key) => {
      if (failures++ < 3) throw unavailable("no answer in time");
      await remove(key);
    };
    await sandbox.delete();
    await settled(h1, h2);
    await h1.controller.deleteNetwork("blue");
    expect(failures).toBe(4);
  });

  test("waits longer for a host that has nothing on it any more", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const users = await h2.node.table("network-users");
    const remove = users.delete.bind(users);
    let isBusy = true;
    users.delete = async (key) => {
      if (isBusy) throw unavailable("no answer in time");
      await remove(key);
    };
    await (await run(h2, "c1")).delete();
    await settled(h1, h2);
    const removal = h1.controller.deleteNetwork("blue");
    await new Promise((resolve) => setTimeout(resolve, 700));
    isBusy = false;
    await removal;
  });

  test("is not refused for a host whose daemon has ended after its last container", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const users = await h1.node.table("network-users");
    await (await run(h2, "c1")).delete();
    await settled(h1, h2);
    // the next container may be about to come
    expect([...users.entries()]).toHaveLength(1);
    await stop(h2);
    expect([...users.entries()]).toEqual([]);
    await h1.controller.deleteNetwork("blue");
  });

  test("and a first container elsewhere exclude each other", async () => {
    const [h1, h2] = await two();
    // a removal that loses has waited for the other host for half a second
    for (const turns of [0, 1, 2, 4, 6]) {
      await h1.controller.createNetwork(blue());
      await settled(h1, h2);
      const started = run(h2, `c${turns}`);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      const [removal, start] = await Promise.all([
        failure(h1.controller.deleteNetwork("blue")),
        failure(started),
      ]);
      expect(
        [removal, start].filter((text) => text === "no failure"),
        `${removal} | ${start}`,
      ).toHaveLength(1);
      await settled(h1, h2);
      if (start === "no failure") await (await started).delete();
      await settled(h1, h2);
      if (start === "no failure") await h1.controller.deleteNetwork("blue");
      await settled(h1, h2);
    }
  });

  test("is refused as long as a host that is away may have containers on it, until it is off the record", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    await run(h2, "c1");
    cluster().partition("h2");
    cluster().endLease("h2");
    await cluster().settled();
    expect(await failure(h1.controller.deleteNetwork("blue"))).toMatch(/active endpoints on h2$/);
    await h1.node.nodes.delete("h2");
    await h1.controller.deleteNetwork("blue");
    await cluster().heal("h2");
    await settled(h1, h2);
    expect(h2.losses).toMatchObject([{ networkName: "blue", reason: "the network was removed" }]);
  });
});

describe("a host without its store", () => {
  test("starts containers on networks that it uses, and says what is frozen", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await h1.controller.createNetwork(networkSpec("red", { driver: "overlay" }));
    await settled(h1, h2);
    await run(h2, "c1");
    cluster().partition("h2");
    await run(h2, "c2");
    expect(await failure(run(h2, "c3", { network: "red" }))).toBe(
      "unavailable: this host does not use network red yet, and the cluster's store is away",
    );
    expect(await failure(h2.controller.createNetwork(networkSpec("green", { driver: "overlay" })))).toMatch(
      /^unavailable: /,
    );
    expect(await failure(h2.controller.deleteNetwork("red"))).toBe(
      "unavailable: remove network red: the cluster's store is away",
    );
    await h2.controller.createNetwork(networkSpec("local"));
    await run(h2, "c4", { network: "local" });
  });

  test("starts containers on networks that it used until a moment ago", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    await (await run(h2, "c1")).delete();
    cluster().partition("h2");
    await run(h2, "c2");
  });

  test("catches up when it is back", async () => {
    const [h1, h2] = await two();
    await h1.controller.createNetwork(blue());
    await settled(h1, h2);
    const sandbox = await run(h2, "c1");
    cluster().partition("h2");
    await sandbox.delete();
    await h1.controller.createNetwork(networkSpec("red", { driver: "overlay" }));
    expect(await failure(h1.controller.deleteNetwork("blue"))).toMatch(/^forbidden/);
    await cluster().heal("h2");
    await settled(h1, h2);
    expect(names(h2)).toContain("red");
    await h1.controller.deleteNetwork("blue");
    await settled(h1, h2);
    expect(names(h2)).not.toContain("blue");
  });
});

test("containers that ran on go on with their addresses after a start", async () => {
  const [h1, h2] = await two();
  await h1.controller.createNetwork(blue());
  await settled(h1, h2);
  const sandbox = await run(h2, "c1");
  const before = sandbox.endpoints();
  for (const ipam of ipams.splice(1, 1)) ipam.close();
  const again = await start(h2.node, { after: h2, live: new Set(["c1".padEnd(64, "0")]) });
  expect(again.controller.sandbox("c1".padEnd(64, "0"))?.endpoints()).toEqual(before);
  expect(await failure(h1.controller.deleteNetwork("blue"))).toMatch(/active endpoints on h2$/);
});

test("containers keep their addresses when their host enters its cluster again", async () => {
  const [h1, h2] = await two();
  await h1.controller.createNetwork(blue());
  const node = await cluster().addNode("h3");
  const world = await createFakeWorld({
    drivers: (steps) => [new FakeDriver(steps, "overlay", { scope: "global" })],
  });
  const enter = async () => {
    const ipam = await createClusterIpam({ cluster: node, clusterId: cluster().id, log: silentLog });
    ipams.push(ipam);
    const end = await world.controller.enterCluster({ cluster: node, ipam });
    return async () => {
      await end({ leaves: false });
      ipam.close();
    };
  };
  const end = await enter();
  await run(world, "c1");
  await end();
  await enter();
  await settled(h1, h2);
  const others = [await run(world, "c2"), await run(h2, "c3")].flatMap((sandbox) => sandbox.endpoints());
  expect(others.map(({ ipv4 }) => ipv4 && formatPrefix(ipv4))).toEqual(["10.0.0.3/24", "10.0.0.16/24"]);
});

test("a network of the cluster is found by id where a local one has its name", async () => {
  const [h1, h2] = await two();
  const local = await h2.controller.createNetwork(networkSpec("blue"));
  const shared = await h1.controller.createNetwork(blue());
  await settled(h1, h2);
  expect(h2.controller.network("blue").id).toBe(local.id);
  expect(h2.controller.network(shared.id).name).toBe("blue");
  await h2.controller.deleteNetwork("blue");
  expect(h2.controller.network("blue").id).toBe(shared.id);
});
