// An underlay of IPv6: hosts that are known by IPv6 addresses carry networks as others do, and their tunnels are guarded.

import { describe, expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { addFdb, addNeighbour, createVxlan, setLink } from "../../../src/kernel/index.ts";
import { address, mac } from "../../unit/kernel/values.ts";
import { Lab } from "../lab.ts";
import { expectNoPing, expectPing, overlayHost } from "./overlay-world.ts";
import "../matchers.ts";

const vni = 5001;
const generic = { "com.docker.network.driver.overlay.vxlanid_list": String(vni) };

/** Two hosts that know each other by IPv6 addresses, with a container each. */
async function six(lab: Lab) {
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
  const one = await overlayHost(segment, cluster, "one", { family: 6 });
  const other = await overlayHost(segment, cluster, "two", { family: 6 });
  for (const host of [one, other]) await host.createNetwork({ generic });
  const c1 = await one.run("c1", ["10.9.0.2/24", "fd09::2/64"]);
  const c2 = await other.run("c2", ["10.9.0.3/24", "fd09::3/64"]);
  await expectPing(c1, c2);
  return {
    cluster,
    segment,
    one,
    other,
    c1,
    c2,
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    },
  };
}

describe("over IPv6", () => {
  test("containers reach each other by both families, with packets of full size", async () => {
    await using lab = await Lab.create();
    await using world = await six(lab);
    const { one, c1, c2 } = world;
    await expectPing(c1, c2, 6);
    expect((await c1.host.netlink.link("eth0"))?.mtu).toBe(1430);
    await c1.ping(c2, 4, "-s", String(1430 - 28));
    await c1.ping(c2, 6, "-s", String(1430 - 48));
    const address = one.lab.address(6);
    expect(await one.inside("ip", "-d", "link", "show", `vx${vni}`)).toContain(`local ${address}`);
  });

  test("tunnels hear hosts of the cluster alone", async () => {
    await using lab = await Lab.create();
    await using world = await six(lab);
    const stranger = await world.segment.host("stranger");
    await stranger.netlink.send(
      createVxlan({ name: "vx0", vni, local: address(stranger.address(6)), mtu: 1430 }),
      setLink("vx0", { up: true }),
    );
    const link = (await stranger.netlink.link("vx0"))?.index ?? 0;
    const far = { link, mac: mac("02:42:0a:09:00:02") };
    await stranger.netlink.send(
      addFdb({ ...far, destination: address(world.one.lab.address(6)) }),
      addNeighbour({ ...far, address: address("10.9.0.2") }),
    );
    await stranger.run("ip", "addr", "add", "10.9.0.99/24", "dev", "vx0");
    const { host } = world.c1;
    await host.run(
      "nft",
      "add table ip heard; add chain ip heard c { type filter hook prerouting priority 0; }",
    );
    await host.run("nft", "add rule ip heard c ip saddr 10.9.0.99 counter");
    const heard = async () =>
      Number(/counter packets (\d+)/.exec(await host.run("nft", "list", "table", "ip", "heard"))?.[1]);
    const ping = () => stranger.run("busybox", "ping", "-c1", "-W1", "10.9.0.2").catch(String);
    await ping();
    expect(await heard()).toBe(0);
    // it was the guard alone that kept them out
    await world.cluster.addNode("three", { address: address(stranger.address(6)) });
    await expect
      .poll(async () => {
        await ping();
        return await heard();
      })
      .toBeGreaterThan(0);
  });

  test("a host that is known by IPv4 alone is not reached, and the status says why", async () => {
    await using lab = await Lab.create();
    await using world = await six(lab);
    await using four = await overlayHost(world.segment, world.cluster, "four", { family: 4 });
    await four.createNetwork({ generic });
    const c4 = await four.run("c4", ["10.9.0.4/24"]);
    await expectNoPing(world.c1, c4);
    const stay = await world.one.enterCluster();
    await expect
      .poll(() => stay.paths().find(({ nodeId }) => nodeId === four.cluster.self.id)?.trouble)
      .toMatch(/^no tunnel leads from 2001:db8:2::1 to 192\.0\.2\.3: advertise addresses of one family/);
  });
});
