// docker_gwbridge itself: made when it is needed, the user's to remove or to make, and out of other networks' way.

import { describe, expect, test } from "vitest";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import { formatPrefix, prefixesOverlap } from "../../../src/netip/index.ts";
import { defaultBridge, endpointSpec, networkSpec, pool, prefix } from "../../lab/cnm/specs.ts";
import { useCluster } from "./global-hosts.ts";
import { gateway, hiddenName, networksOf, onGateway, start, worldOf, worldWith } from "./way-out-world.ts";

describe("docker_gwbridge", () => {
  test("is as Docker's: no container reaches another on it, and all leave by the host's addresses", async () => {
    const world = await worldWith("t1");
    await start(world, "c1", ["t1"]);
    expect(await world.controller.network(gateway).view()).toMatchObject({
      driver: "bridge",
      scope: "local",
      internal: false,
      predefined: false,
      options: {
        "com.docker.network.bridge.name": gateway,
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
      },
    });
  });

  test("is the user's to remove when nobody is on it, and is made again", async () => {
    const world = await worldWith("t1");
    const sandbox = await start(world, "c1", ["t1"]);
    await expect(world.controller.deleteNetwork(gateway)).rejects.toThrow(
      `network ${gateway} has active endpoints (name:"${hiddenName(sandbox)}"`,
    );
    await sandbox.delete();
    await world.controller.deleteNetwork(gateway);
    expect(await onGateway(world)).toBeUndefined();
    const again = await start(world, "c1", ["t1"]);
    expect(await onGateway(world)).toEqual([hiddenName(again)]);
  });

  test("that is removed the moment a container comes is made again for it", async () => {
    const world = await worldWith("t1");
    await (await start(world, "c1", ["t1"])).delete();
    const [second] = await Promise.all([start(world, "c2", ["t1"]), world.controller.deleteNetwork(gateway)]);
    expect(await onGateway(world)).toEqual([hiddenName(second)]);
  });

  test("may be the user's own, and then stays as it is", async () => {
    const world = await worldWith("t1");
    const own = await world.controller.createNetwork(
      networkSpec(gateway, { ipam: { driver: "default", pools: [pool("192.168.200.0/24")] } }),
    );
    await world.controller.createNetwork(networkSpec("t6", { driver: "tunnel", enableIpv6: true }));
    await start(world, "c1", ["t1"]);
    await start(world, "c6", ["t6"]);
    expect(world.controller.network(gateway)).toBe(own);
    const { members } = await own.view();
    expect(members.map(({ ipv4 }) => ipv4 && formatPrefix(ipv4))).toEqual([
      "192.168.200.2/24",
      "192.168.200.3/24",
    ]);
  });

  test("takes its subnet beside the default bridge's, and not from where clusters take theirs", async () => {
    const world = await worldOf({ defaultBridge });
    await world.controller.createNetwork(networkSpec("t1", { driver: "tunnel" }));
    await start(world, "c1", ["t1"]);
    const [subnet] = world.controller.network(gateway).record.pools.map((it) => it.subnet);
    expect(subnet && prefixesOverlap(subnet, prefix("10.0.0.0/8"))).toBe(false);
  });

  test("moves out of a network's way while nobody is on it, and says what is in the way when somebody is", async () => {
    // addresses of its own, as a cluster's networks have
    const elsewhere = Object.create(createDefaultIpam({ defaultPools: [], hostId: "" }), {
      name: { value: "elsewhere" },
    });
    const world = await worldOf({ ipamDrivers: [elsewhere] });
    await world.controller.createNetwork(networkSpec("t1", { driver: "tunnel" }));
    const first = await start(world, "c1", ["t1"]);
    const subnetOf = () =>
      formatPrefix(world.controller.network(gateway).record.pools[0]?.subnet ?? prefix("::/0"));
    const taken = subnetOf();
    await world.controller.createNetwork(
      networkSpec("t2", { driver: "tunnel", ipam: { driver: "elsewhere", pools: [pool(taken)] } }),
    );
    const clash = `network t2 has no way out on this host: its subnet ${taken} overlaps ${taken} of ${gateway}`;
    await expect(start(world, "c2", ["t2"])).rejects.toThrow(clash);
    await expect(first.connect(endpointSpec("t2"))).rejects.toThrow(clash);
    expect(networksOf(first)).toEqual(["t1 eth0"]);
    await first.delete();
    const second = await start(world, "c2", ["t2"]);
    expect(await onGateway(world)).toEqual([hiddenName(second)]);
    expect(subnetOf()).not.toBe(taken);
  });
});

describe("subnets of the cluster's networks", () => {
  const { host, settled } = useCluster();
  const overlay = (subnet: string) =>
    networkSpec("blue", { driver: "overlay", ipam: { driver: "default", pools: [pool(subnet)] } });

  test("are not those of a network that the host is on", async () => {
    const world = await host("h1");
    const route = { family: 4, table: 254, type: "unicast", destination: prefix("198.51.100.0/24"), link: 2 };
    Object.assign(world.hostNetlink, { routes: async () => [route] });
    await expect(world.controller.createNetwork(overlay("198.51.100.128/25"))).rejects.toThrow(
      "subnet 198.51.100.128/25 overlaps 198.51.100.0/24, a network that this host is on",
    );
    await world.controller.createNetwork(overlay("203.0.113.0/24"));
  });

  test("may be docker_gwbridge's on some host: whoever asks for it there is told", async () => {
    const [h1, h2] = [await host("h1"), await host("h2")];
    await h1.controller.createNetwork(
      networkSpec(gateway, { ipam: { driver: "default", pools: [pool("192.168.200.0/24")] } }),
    );
    const blue = await h1.controller.createNetwork(overlay("192.168.200.0/25"));
    expect(blue.warnings).toEqual([
      "subnet 192.168.200.0/25 overlaps 192.168.200.0/24 of docker_gwbridge on this host: its containers have no way out here",
    ]);
    await settled(h1, h2);
    expect(h2.controller.network("blue").warnings).toEqual([]);
  });
});
