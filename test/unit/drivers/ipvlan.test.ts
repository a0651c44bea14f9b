// The ipvlan driver without a kernel: options, the one message of a join, how each mode leads out.

import { describe, expect, test } from "vitest";
import createIpvlanDriver from "../../../drivers/ipvlan/index.ts";
import { parseAddress, parseMac, parsePrefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { createChildHost, endpointRequest, errno, joinRequest, networkRequest } from "./child-world.ts";

async function joined(generic: Readonly<Record<string, string>>, internal = false) {
  const { host, netlink } = await createChildHost();
  const driver = createIpvlanDriver(host);
  const request = networkRequest("n1", { parent: "eth0", ...generic });
  await driver.createNetwork({ ...request, options: { ...request.options, internal } });
  await driver.createEndpoint(endpointRequest("n1", "e1"));
  netlink.transcript.length = 0;
  const response = await driver.join(joinRequest("n1", "e1"));
  return { netlink, response };
}

const defaults = ["0.0.0.0/0", "::/0"].map((text) => ({ destination: parsePrefix(text) }));

describe("an ipvlan endpoint", () => {
  test("is one message that puts the link into the sandbox, without a MAC of its own", async () => {
    const { netlink, response } = await joined({ ipvlan_flag: "private" });
    expect(netlink.transcript).toEqual([
      "ip link add eth0 link if2 index 2 netns /run/netns/c1 type ipvlan mode l2 private",
    ]);
    expect(response).toMatchObject({
      link: { srcName: "eth0", indexInSandbox: 2, deletedOnLeave: true },
      gateway: parseAddress("192.0.2.1"),
      gatewayIpv6: parseAddress("2001:db8:2::1"),
      staticRoutes: [],
      isExternal: true,
    });
  });

  test.for(["l3", "l3s"])("in mode %s leaves by its link, whatever gateway was named", async (mode) => {
    const { response } = await joined({ ipvlan_mode: mode });
    expect(response.staticRoutes).toEqual(defaults);
    expect(response.gateway).toBeUndefined();
    expect(response.gatewayIpv6).toBeUndefined();
  });

  test("of an internal network has no way out in any mode", async () => {
    for (const mode of ["l2", "l3", "l3s"]) {
      const { response } = await joined({ ipvlan_mode: mode }, true);
      expect(response).toMatchObject({ staticRoutes: [], isExternal: false });
      expect(response.gateway).toBeUndefined();
    }
  });

  test("has no MAC to choose", async () => {
    const { host } = await createChildHost();
    const driver = createIpvlanDriver(host);
    await driver.createNetwork(networkRequest("n1"));
    const macAddress = parseMac("02:00:00:00:00:01");
    const creating = driver.createEndpoint(
      endpointRequest("n1", "e1", {}, { ...(macAddress && { macAddress }) }),
    );
    await expect(creating).rejects.toThrow("ipvlan interfaces do not support custom mac address assignment");
    expect(await driver.createEndpoint(endpointRequest("n1", "e2"))).not.toHaveProperty("macAddress");
  });
});

describe("an ipvlan network", () => {
  test.for([
    [{ ipvlan_mode: "l4" }, "requested ipvlan mode 'l4' is not valid"],
    [{ ipvlan_flag: "loud" }, "requested ipvlan flag 'loud' is not valid"],
    [{ macvlan_mode: "bridge" }, "unknown option macvlan_mode for driver ipvlan"],
    [{ parent: "lo" }, "loopback interface is not a valid ipvlan parent link"],
  ] as const)("with %j is refused", async ([generic, message]) => {
    const { host } = await createChildHost();
    const creating = createIpvlanDriver(host).createNetwork(
      networkRequest("n1", { parent: "eth0", ...generic }),
    );
    await expect(creating).rejects.toThrow(message);
    await expect(creating).rejects.toSatisfy((error) => errorKind(error) === "invalid");
  });

  test("has its parent to itself, until it goes", async () => {
    const { host } = await createChildHost();
    const driver = createIpvlanDriver(host);
    await driver.createNetwork(networkRequest("n1"));
    await expect(driver.createNetwork(networkRequest("n2"))).rejects.toThrow(
      "network n1 is already using parent interface eth0",
    );
    await driver.deleteNetwork({ networkId: "n1" });
    await driver.createNetwork(networkRequest("n2"));
  });

  test("needs a kernel that has ipvlan, and is forgotten where there is none", async () => {
    const { host, netlink } = await createChildHost();
    netlink.refuse("type ipvlan", errno.EOPNOTSUPP);
    const driver = createIpvlanDriver(host);
    const creating = driver.createNetwork(networkRequest("n1"));
    await expect(creating).rejects.toThrow("ipvlan networks need CONFIG_IPVLAN: this kernel has none");
    await expect(creating).rejects.toSatisfy((error) => errorKind(error) === "not-implemented");
    await expect(driver.createEndpoint(endpointRequest("n1", "e1"))).rejects.toThrow("does not exist");
  });
});
