// Networks of the bridge driver on a fake host: what the kernel and the firewall are told, and what failures leave.

import { describe, expect, test } from "vitest";
import { address, prefix } from "../../lab/cnm/specs.ts";
import { build, failure, ipv6, link, networkId, option, poolData, request } from "./bridge-world.ts";

describe("a network", () => {
  test("becomes a bridge with a MAC of its own, our mark, its gateway's address, and up", async () => {
    const { host, driver } = build();
    await driver.createNetwork(request());
    const transcript = host.steps.transcript.map((step) =>
      step.replace(/address ([0-9a-f]{2}:){5}..\b/, "address MAC"),
    );
    expect(transcript.toSorted()).toEqual(
      [
        `ip link add ${link} address MAC mtu 1500 type bridge`,
        `ip link set ${link} alias tsdocker:${networkId}`,
        `sysctl net/ipv6/conf/${link}/accept_ra=0`,
        `sysctl net/ipv6/conf/${link}/disable_ipv6=1`,
        `sysctl net/ipv4/conf/${link}/route_localnet=1`,
        "ip address replace 172.18.0.1/16 broadcast + dev if10",
        "ip link set if10 up",
        "firewall bridge",
        "sysctl net.ipv4.ip_forward=1",
      ].toSorted(),
    );
  });

  test("with IPv6 has its IPv6 address at once and forwards IPv6", async () => {
    const { host, driver } = build();
    await driver.createNetwork(request({ v6: ipv6 }));
    expect(host.steps.transcript).toContain("ip address replace 2001:db8::1/64 dev if10 nodad");
    expect(host.sysctls.get(`net/ipv6/conf/${link}/disable_ipv6`)).toBe("0");
    expect(host.sysctls.get("net.ipv6.conf.all.forwarding")).toBe("1");
  });

  test("tells the firewall what it is", async () => {
    const { host, driver } = build();
    await driver.createNetwork(
      request({
        v6: ipv6,
        generic: {
          ...option("bridge.enable_icc", "false"),
          ...option("bridge.gateway_mode_ipv6", "routed"),
          ...option("bridge.trusted_host_interfaces", "eth1:wg0"),
          ...option("host_ipv4", "192.0.2.9"),
        },
      }),
    );
    expect(host.rules.get(networkId)).toEqual([
      {
        kind: "bridge",
        link,
        subnets: [prefix("172.18.0.0/16"), prefix("2001:db8::/64")],
        icc: false,
        internal: false,
        source: { 4: address("192.0.2.9"), 6: "keep" },
        gatewayMode: { 4: "nat", 6: "routed" },
        trustedLinks: ["eth1", "wg0"],
        hostAccess: "all",
        portGroup: 0x7464_0000 + 10,
      },
    ]);
  });

  test("that is internal keeps sources and turns no forwarding on", async () => {
    const { host, driver } = build();
    await driver.createNetwork(request({ internal: true }));
    expect(host.rules.get(networkId)).toMatchObject([{ internal: true, source: { 4: "keep", 6: "keep" } }]);
    expect(host.sysctls.has("net.ipv4.ip_forward")).toBe(false);
  });

  test.each([
    ["inhibit_ipv4", { generic: option("bridge.inhibit_ipv4", "true") }],
    ["isolated", { internal: true, generic: option("bridge.gateway_mode_ipv4", "isolated") }],
  ])("with %s has no address on the bridge", async (_, wish) => {
    const { host, driver } = build();
    await driver.createNetwork(request(wish));
    expect(host.steps.transcript.filter((step) => step.includes("ip address"))).toEqual([]);
  });

  test("may be made twice and deleted twice", async () => {
    const { host, driver } = build();
    await driver.createNetwork(request());
    const steps = host.steps.count;
    await driver.createNetwork(request());
    expect(host.steps.count).toBe(steps);
    await driver.deleteNetwork({ networkId });
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    expect(host.netlink.present.size).toBe(0);
    expect(host.rules.size).toBe(0);
  });

  test("adopts a device of the given name and leaves it behind", async () => {
    const { host, driver } = build();
    host.netlink.put("br7", { kind: "bridge" });
    await driver.createNetwork(request({ generic: option("bridge.name", "br7") }));
    expect(host.steps.transcript).toContain("ip address replace 172.18.0.1/16 broadcast + dev if10");
    expect(host.sysctls.has("net/ipv6/conf/br7/disable_ipv6")).toBe(false);
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    expect([...host.netlink.present.keys()]).toEqual(["br7"]);
  });

  test("made again after a crash takes its own device, and deletes it", async () => {
    const { host, driver } = build();
    host.netlink.put(link, { kind: "bridge", alias: `tsdocker:${networkId}` });
    await driver.createNetwork(request());
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    expect(host.netlink.present.size).toBe(0);
  });

  test("does not take a device that is no bridge", async () => {
    const { host, driver } = build();
    host.netlink.put("eth0");
    expect(await failure(driver.createNetwork(request({ generic: option("bridge.name", "eth0") })))).toBe(
      "conflict: create bridge eth0: the device eth0 is there already and is not a bridge",
    );
    expect([...host.netlink.present.keys()]).toEqual(["eth0"]);
    expect(host.rules.size).toBe(0);
  });

  test("can have the name of one that was just removed", async () => {
    const { host, driver } = build();
    const generic = option("bridge.name", "br7");
    await driver.createNetwork(request({ generic }));
    await driver.deleteNetwork({ networkId });
    const other = "f".repeat(64);
    await driver.createNetwork(request({ id: other, generic }));
    await driver.settle?.();
    expect(host.netlink.present.get("br7")?.alias).toBe(`tsdocker:${other}`);
  });

  test("that fails at any step leaves nothing", async () => {
    const { host, driver } = build();
    await driver.createNetwork(request({ v6: ipv6 }));
    const steps = host.steps.count;
    await driver.deleteNetwork({ networkId });
    await driver.settle?.();
    for (let step = 1; step <= steps - 3; step++) {
      host.steps.failAt(step);
      await expect(driver.createNetwork(request({ v6: ipv6 })), `step ${step}`).rejects.toThrow("injected");
      host.steps.failAt(undefined);
      await driver.settle?.();
      expect(host.netlink.present.size).toBe(0);
      expect(host.rules.size).toBe(0);
    }
  });

  test.each([
    [
      "the same name",
      { generic: option("bridge.name", link), v4: poolData("10.0.0.0/24", "10.0.0.1") },
      "same bridge name",
    ],
    ["an overlapping subnet", { v4: poolData("172.18.3.0/24", "172.18.3.1") }, "overlapping IPv4"],
    [
      "an overlapping IPv6 subnet",
      { v4: false as const, v6: poolData("2001:db8::/48", "2001:db8::2") },
      "overlapping IPv6",
    ],
  ])("is refused with %s as another", async (_, wish, what) => {
    const { driver } = build();
    await driver.createNetwork(request({ v6: ipv6 }));
    const other = "e".repeat(64);
    const name = "generic" in wish ? link : "br-eeeeeeeeeeee";
    expect(await failure(driver.createNetwork(request({ id: other, ...wish })))).toBe(
      `forbidden: cannot create network ${other} (${name}): conflicts with network ${networkId} (${link}): networks have ${what}`,
    );
  });
});

describe("a sweep", () => {
  test("removes links with our mark that belong to nobody, and no others", async () => {
    const { host, driver } = build();
    host.netlink.put("br-dead", { kind: "bridge", alias: "tsdocker:dead" });
    host.netlink.put("veth-dead", { alias: "tsdocker:gone" });
    host.netlink.put("veth-live", { alias: "tsdocker:live" });
    host.netlink.put("br7", { kind: "bridge", alias: "somebody else's" });
    host.netlink.put("eth0");
    await driver.sweep?.({ networkIds: new Set(), endpointIds: new Set(["live"]) });
    expect([...host.netlink.present.keys()]).toEqual(["veth-live", "br7", "eth0"]);
  });
});
