// The macvlan driver without a kernel: options, the one message of a join, what a container is told.

import { describe, expect, test } from "vitest";
import createMacvlanDriver from "../../../drivers/macvlan/index.ts";
import { deleteLink } from "../../../src/kernel/index.ts";
import { parseAddress, parseMac } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { createChildHost, endpointRequest, errno, joinRequest, networkRequest } from "./child-world.ts";

async function joined(generic: Readonly<Record<string, string>>, part = {}, options = {}) {
  const { host, netlink } = await createChildHost();
  const driver = createMacvlanDriver(host);
  await driver.createNetwork(networkRequest("n1", { parent: "eth0", ...generic }));
  const own = await driver.createEndpoint(endpointRequest("n1", "e1", part, options));
  netlink.transcript.length = 0;
  const response = await driver.join(joinRequest("n1", "e1"));
  return { driver, netlink, own, response };
}

describe("options of a macvlan network", () => {
  test.for([
    [{ macvlan_mode: "loud" }, "requested macvlan mode 'loud' is not valid"],
    [{ ipvlan_mode: "l2" }, "unknown option ipvlan_mode for driver macvlan"],
    [{ "com.docker.network.bridge.name": "x" }, "unknown option com.docker.network.bridge.name"],
    [{ parent: "lo" }, "loopback interface is not a valid macvlan parent link"],
    [{ "com.docker.network.driver.mtu": "67" }, "is not an MTU"],
    [{ "com.docker.network.driver.mtu": "9000" }, "an MTU of 9000 is more than parent eth0 has (1500)"],
    [{ "com.docker.network.container_iface_prefix": "a/b" }, "is not a name for a network interface"],
    [{ "com.docker.network.container_iface_prefix": "thirteenchars" }, "is too long"],
  ] as const)("%j are refused", async ([generic, message]) => {
    const { host } = await createChildHost();
    const driver = createMacvlanDriver(host);
    const creating = driver.createNetwork(networkRequest("n1", { parent: "eth0", ...generic }));
    await expect(creating).rejects.toThrow(message);
    await expect(creating).rejects.toSatisfy((error) => errorKind(error) === "invalid");
    await driver.createNetwork(networkRequest("n1"));
  });

  test("of the controller's are its own business", async () => {
    const { host } = await createChildHost();
    const generic = { parent: "eth0", "tsdocker.dns": "192.0.2.53", "com.docker.network.enable_ipv6": "1" };
    await createMacvlanDriver(host).createNetwork(networkRequest("n1", generic));
  });

  test.each([
    ["com.docker.network.endpoint.sysctls", "net.ipv4.ip_forward=1"],
    ["com.docker.network.endpoint.ifname", "a/b"],
    ["tsdocker.host_interface_name", "web0"],
  ])("of endpoints are refused where none can have them: %s=%s", async (key, value) => {
    const { host } = await createChildHost();
    const driver = createMacvlanDriver(host);
    expect(() => driver.checkEndpoint?.({ driverOpts: { [key]: value } })).toThrow(key);
  });

  test("ask for no gateway, and for an internal network where there is no parent", async () => {
    const { host } = await createChildHost();
    const driver = createMacvlanDriver(host);
    const ask = async (generic: Record<string, string>, internal = false) =>
      await driver.checkGateway?.({ enableIpv4: true, enableIpv6: false, internal, generic });
    expect(await ask({ parent: "eth0" })).toEqual({ skipIpv4: true, skipIpv6: true, internal: false });
    expect(await ask({ parent: "eth0" }, true)).toMatchObject({ internal: true });
    expect(await ask({})).toMatchObject({ internal: true });
    await expect(ask({ macvlan_mode: "loud" })).rejects.toThrow("macvlan mode");
  });
});

describe("a join", () => {
  test("is one message that puts the link into the sandbox with its index, name and MAC", async () => {
    const { netlink, own, response } = await joined({ macvlan_mode: "private" });
    expect(netlink.transcript).toEqual([
      `ip link add eth0 link if2 index 2 address ${own.macAddress} netns /run/netns/c1 type macvlan mode private`,
    ]);
    expect(response).toMatchObject({
      link: { srcName: "eth0", dstName: "eth0", indexInSandbox: 2, deletedOnLeave: true },
      gateway: parseAddress("192.0.2.1"),
      gatewayIpv6: parseAddress("2001:db8:2::1"),
      isExternal: true,
      sysctls: { "net.ipv6.conf.IFNAME.accept_ra": "0" },
    });
  });

  test("takes the gateway of the subnet that the address is in, and none where there is none", async () => {
    const address = { address: parseAddress("198.51.100.9"), length: 24 };
    const { response } = await joined({}, { address, addressIpv6: undefined });
    expect(response.gateway).toBeUndefined();
    expect(response.gatewayIpv6).toBeUndefined();
    expect(response.sysctls).toEqual({});
  });

  test("has the user's name, MTU, prefix and sysctls", async () => {
    const driverOpts = {
      "com.docker.network.endpoint.ifname": "wan",
      "com.docker.network.endpoint.sysctls":
        "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.ifname.mc_forwarding=0",
    };
    const { netlink, response } = await joined(
      { "com.docker.network.driver.mtu": "1400" },
      {},
      { driverOpts },
    );
    expect(netlink.transcript[0]).toMatch(/^ip link add wan link if2 index 2 address \S+ mtu 1400 netns/);
    expect(response.link).toMatchObject({ dstName: "wan" });
    expect(response.sysctls).toMatchObject({
      "net.ipv4.conf.IFNAME.log_martians": "1",
      "net.ipv4.conf.IFNAME.mc_forwarding": "0",
    });
    const other = await joined({ "com.docker.network.container_iface_prefix": "lan" });
    expect(other.response.link).toMatchObject({ srcName: "mve1", dstPrefix: "lan" });
    expect(other.response.link?.dstName).toBeUndefined();
  });

  test("that is repeated answers the same, and another sandbox is refused", async () => {
    const { driver, netlink, response } = await joined({});
    netlink.transcript.length = 0;
    expect(await driver.join(joinRequest("n1", "e1"))).toBe(response);
    expect(netlink.transcript).toEqual([]);
    const elsewhere = { ...joinRequest("n1", "e1"), sandboxKey: "/run/netns/c2" };
    await expect(driver.join(elsewhere)).rejects.toThrow("has joined another sandbox already");
  });

  test("says what the kernel means by busy", async () => {
    const { host, netlink } = await createChildHost();
    const driver = createMacvlanDriver(host);
    await driver.createNetwork(networkRequest("n1"));
    await driver.createEndpoint(endpointRequest("n1", "e1"));
    netlink.refuse("type macvlan mode", errno.EBUSY);
    await expect(driver.join(joinRequest("n1", "e1"))).rejects.toThrow(
      "connect to parent eth0: the link has another use",
    );
  });
});

describe("a MAC", () => {
  test("belongs to the address, and differs from network to network", async () => {
    const { host } = await createChildHost();
    const driver = createMacvlanDriver(host);
    for (const id of ["n1", "n2"]) await driver.createNetwork(networkRequest(id));
    const macs = [];
    for (const [network, endpoint] of [
      ["n1", "e1"],
      ["n1", "e2"],
      ["n2", "e3"],
    ] as const)
      macs.push((await driver.createEndpoint(endpointRequest(network, endpoint))).macAddress);
    expect(macs[0]).toBe(macs[1]);
    expect(macs[0]).not.toBe(macs[2]);
  });

  test("that the user chose is made on the host in mode passthru, for the controller to set", async () => {
    const macAddress = parseMac("02:00:00:00:00:01");
    const { driver, netlink, response } = await joined(
      { macvlan_mode: "passthru" },
      { macAddress },
      { macAddress },
    );
    expect(response.link).toEqual({ srcName: "mve1", dstPrefix: "eth", dstName: "eth0" });
    expect(netlink.transcript).toContain("ip link set mve1 alias tsdocker:e1");
    await driver.leave({ networkId: "n1", endpointId: "e1" });
    await driver.deleteEndpoint({ networkId: "n1", endpointId: "e1" });
    expect(await netlink.link("mve1")).toBeUndefined();
  });
});

test("a kernel without macvlan is named once, however often it is asked", async () => {
  const { host, netlink } = await createChildHost();
  netlink.refuse("type macvlan", errno.EOPNOTSUPP);
  const driver = createMacvlanDriver(host);
  for (let round = 0; round < 2; round++)
    await expect(driver.createNetwork(networkRequest("n1"))).rejects.toThrow(
      "macvlan networks need CONFIG_MACVLAN: this kernel has none",
    );
  expect(netlink.transcript).toHaveLength(1);
});

test("a network tells of its parent and its options, also when the parent is gone", async () => {
  const { host, netlink } = await createChildHost();
  const driver = createMacvlanDriver(host);
  await driver.createNetwork(networkRequest("n1", { parent: "eth0", macvlan_mode: "vepa" }));
  expect(await driver.effectiveOptions?.({ networkId: "n1" })).toEqual({
    parent: "eth0",
    macvlan_mode: "vepa",
    "com.docker.network.driver.mtu": "1500",
    "com.docker.network.container_iface_prefix": "eth",
  });
  const shown = async () => (await driver.describeNetwork?.({ networkId: "n1" }))?.links;
  expect(await shown()).toMatchObject([{ role: "parent", name: "eth0", index: 2, mtu: 1500 }]);
  await netlink.send(deleteLink("eth0"));
  expect(await shown()).toEqual([{ role: "parent", name: "eth0" }]);
});
