// Endpoints of the bridge driver on a fake host: their links, names and addresses.

import { describe, expect, test } from "vitest";
import { address } from "../../lab/cnm/specs.ts";
import { endpointId, endpointOn, failure, link, networkId, option, poolData } from "./bridge-world.ts";

describe("an endpoint", () => {
  test("joins by one message that puts the link into the sandbox with its name and MAC", async () => {
    const { host, created, join } = await endpointOn({ generic: option("driver.mtu", "1400") });
    const response = await join();
    expect(host.steps.transcript).toEqual([
      `ip link add vethba987654321 index 464095077 mtu 1400 up master if10 group 1952710666 type veth peer name eth0 index 2 address ${created.macAddress} mtu 1400 netns /run/netns/c1`,
      `ip link set vethba987654321 alias tsdocker:${endpointId} addrgenmode none`,
    ]);
    expect(response).toEqual({
      link: { srcName: "eth0", dstPrefix: "eth", dstName: "eth0", indexInSandbox: 2 },
      gateway: address("172.18.0.1"),
      staticRoutes: [],
      disableGatewayService: false,
      sysctls: {},
    });
  });

  test("leaves indexes to the kernel where the one that it would have is taken", async () => {
    const { host, join } = await endpointOn();
    host.netlink.put("other0", { index: 464095077 });
    const response = await join();
    expect(response.link).toMatchObject({ indexInSandbox: 2 });
    expect(host.netlink.present.get("other0")?.alias).toBeUndefined();
    expect(host.netlink.present.get("vethba987654321")?.alias).toBe(`tsdocker:${endpointId}`);
  });

  test("joins once however often it is asked", async () => {
    const { host, join } = await endpointOn();
    const first = await join();
    const steps = host.steps.count;
    expect(await join()).toEqual(first);
    expect(host.steps.count).toBe(steps);
  });

  test("has the name that the user chose, or a number under the network's prefix", async () => {
    const named = await endpointOn({ driverOpts: option("endpoint.ifname", "lan0") });
    expect((await named.join()).link).toMatchObject({ srcName: "lan0", dstName: "lan0" });
    const prefixed = await endpointOn({ generic: option("container_iface_prefix", "net") });
    const { link: made } = await prefixed.join();
    expect(made).toMatchObject({ dstPrefix: "net" });
    expect(made?.dstName).toBeUndefined();
  });

  test("keeps a MAC that it was given and has a random one else", async () => {
    const { driver, created } = await endpointOn();
    expect(created.macAddress).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
    const mac = created.macAddress;
    expect(mac).toBeDefined();
    const again = await driver.createEndpoint({
      networkId,
      endpointId,
      interface: {},
      options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
    });
    expect(again).toEqual(created);
  });

  test("has its gateway from the auxiliary address where one is named so, and none on an internal network", async () => {
    const aux = await endpointOn({
      v4: poolData("172.18.0.0/16", "172.18.0.1", { DefaultGatewayIPv4: "172.18.0.254" }),
    });
    expect((await aux.join()).gateway).toEqual(address("172.18.0.254"));
    const internal = await endpointOn({ internal: true });
    expect((await internal.join()).gateway).toBeUndefined();
  });

  test("takes sysctls of its link, and only those", async () => {
    // Docker's client writes them in lower case
    const sysctls = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.ifname.accept_ra=2";
    const { join } = await endpointOn({ driverOpts: option("endpoint.sysctls", sysctls) });
    expect((await join()).sysctls).toEqual({
      "net.ipv4.conf.IFNAME.log_martians": "1",
      "net.ipv6.conf.IFNAME.accept_ra": "2",
    });
    for (const wrong of [
      "net.ipv4.ip_forward=1",
      "net.ipv4.conf.eth0.rp_filter=0",
      "kernel.x.y.IFNAME.z=1",
      "net.ipv4.conf.IFNAME.x",
    ]) {
      const creating = endpointOn({ driverOpts: option("endpoint.sysctls", wrong) });
      expect(await failure(creating)).toMatch(
        /^invalid: invalid value for com.docker.network.endpoint.sysctls/,
      );
    }
  });

  test("goes with its link, twice", async () => {
    const { host, driver, join } = await endpointOn();
    await join();
    for (let round = 0; round < 2; round++) {
      await driver.leave({ networkId, endpointId });
      await driver.deleteEndpoint({ networkId, endpointId });
    }
    expect([...host.netlink.present.keys()]).toEqual([link]);
    expect(host.netlink.transcript).toContain("ip link delete vethba987654321");
  });

  test("gets a hairpin port where br_netfilter makes one necessary", async () => {
    const { host, join } = await endpointOn({ sysctls: { "net.bridge.bridge-nf-call-iptables": "1" } });
    await join();
    expect(host.steps.transcript.at(-1)).toBe(
      `ip link set vethba987654321 alias tsdocker:${endpointId} addrgenmode none type bridge_slave hairpin on`,
    );
  });
});
