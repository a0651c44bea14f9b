// Options and subnets of the bridge driver's networks: what they make, and what is refused.

import { describe, expect, test } from "vitest";
import { address, prefix } from "../../lab/cnm/specs.ts";
import {
  build,
  endpointId,
  failure,
  ipv4,
  ipv6,
  networkId,
  option,
  poolData,
  request,
} from "./bridge-world.ts";

describe("an option", () => {
  test.each([
    ["bridge.enable_icc", "maybe", '"maybe" is not a boolean'],
    ["bridge.name", "a name with blanks", '"a name with blanks" is not a name for a network interface'],
    ["bridge.name", "more-than-fifteen", '"more-than-fifteen" is not a name for a network interface'],
    ["driver.mtu", "9", '"9" is not an MTU (68-65535)'],
    ["driver.mtu", "-1", '"-1" is not an MTU (68-65535)'],
    ["bridge.host_binding_ipv4", "localhost", '"localhost" is not an IP address'],
    ["host_ipv4", "2001:db8::1", '"2001:db8::1" is not an IPv4 address'],
    ["bridge.gateway_mode_ipv4", "magic", "unknown gateway mode magic"],
  ])("%s=%s is refused by name", async (name, value, message) => {
    const { host, driver } = build();
    expect(await failure(driver.createNetwork(request({ generic: option(name, value) })))).toBe(
      `invalid: invalid value for com.docker.network.${name}: ${message}`,
    );
    expect(host.steps.count).toBe(0);
  });

  test("that no bridge has is refused, and others' are not looked at", async () => {
    const { driver } = build();
    expect(
      await failure(driver.createNetwork(request({ generic: option("bridge.enabel_icc", "true") }))),
    ).toBe("invalid: unknown option com.docker.network.bridge.enabel_icc for driver bridge");
    await driver.createNetwork(request({ generic: { "com.example.anything": "x" } }));
  });

  test("isolated is for internal networks, a source address for those that masquerade", async () => {
    const { driver } = build();
    expect(
      await failure(
        driver.createNetwork(request({ generic: option("bridge.gateway_mode_ipv4", "isolated") })),
      ),
    ).toBe("invalid: gateway mode 'isolated' can only be used for an internal network");
    const generic = {
      ...option("host_ipv4", "192.0.2.1"),
      ...option("bridge.enable_ip_masquerade", "false"),
    };
    expect(await failure(driver.createNetwork(request({ generic })))).toMatch(
      /^invalid: com.docker.network.host_ipv4=192.0.2.1 needs com.docker.network.bridge.enable_ip_masquerade/,
    );
  });

  test("of a network on a host without IPv6 is refused by name", async () => {
    const { driver } = build({ ipv6: false });
    expect(await failure(driver.createNetwork(request({ v6: ipv6 })))).toMatch(
      /^invalid: IPv6 networks need IPv6/,
    );
  });

  test.each([
    [{ ...option("driver.mtu", "1279") }, 'com.docker.network.driver.mtu: "1279" is too small for IPv6'],
    [
      { ...option("host_ipv6", "2001:db8::9"), ...option("bridge.gateway_mode_ipv6", "routed") },
      "com.docker.network.host_ipv6=2001:db8::9 contradicts gateway mode 'routed'",
    ],
    [option("host_ipv6", "192.0.2.1"), 'com.docker.network.host_ipv6: "192.0.2.1" is not an IPv6 address'],
    [option("bridge.trusted_host_interfaces", "eth0:no/name"), 'trusted_host_interfaces: "no/name"'],
    [
      option("container_iface_prefix", "much-too-long-x"),
      "container_iface_prefix: much-too-long-x is too long",
    ],
    [option("bridge.host_binding_ipv4", "localhost"), 'host_binding_ipv4: "localhost" is not an IP address'],
    [option("bridge.inhibit_ipv4", "maybe"), 'inhibit_ipv4: "maybe" is not a boolean'],
    [option("bridge.gateway_mode_ipv6", "open"), "gateway_mode_ipv6: unknown gateway mode open"],
    [option("bridge.name", "much-too-long-a-name"), 'bridge.name: "much-too-long-a-name" is not a name'],
  ])("that cannot be carried out is refused by its name: %j", async (generic, message) => {
    const { host, driver } = build();
    const refused = await failure(driver.createNetwork(request({ v6: ipv6, generic })));
    expect(refused).toContain("invalid: ");
    expect(refused).toContain(message);
    expect(host.netlink.present.size + host.rules.size).toBe(0);
  });

  test("for a family that is off says nothing: operators give defaults for all networks", async () => {
    const { driver } = build();
    await driver.createNetwork(
      request({ generic: { ...option("host_ipv6", "2001:db8::9"), ...option("driver.mtu", "1000") } }),
    );
  });
});

describe("several subnets of a family", () => {
  const second = poolData("172.31.0.0/24", "172.31.0.1");
  const both = { ...request(), ipv4Data: [ipv4, second] };

  test("give the bridge an address each, and the firewall all of them", async () => {
    const { host, driver } = build();
    await driver.createNetwork(both);
    expect(host.steps.transcript).toContain("ip address replace 172.18.0.1/16 broadcast + dev if10");
    expect(host.steps.transcript).toContain("ip address replace 172.31.0.1/24 broadcast + dev if10");
    expect(host.rules.get(networkId)?.[0]).toMatchObject({ subnets: [ipv4.pool, second.pool] });
  });

  test("are neighbours: a container has the gateway of its own and a route to the other over its link", async () => {
    const { driver } = build();
    await driver.createNetwork(both);
    await driver.createEndpoint({
      networkId,
      endpointId,
      interface: { address: prefix("172.31.0.7/24") },
      options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
    });
    const joined = await driver.join({
      networkId,
      endpointId,
      sandboxKey: "/run/netns/c1",
      freeIndex: 2,
      suggestedName: "eth0",
    });
    expect(joined.gateway).toEqual(address("172.31.0.1"));
    expect(joined.staticRoutes).toEqual([{ destination: ipv4.pool }]);
  });

  test("are all kept from other networks", async () => {
    const { driver } = build();
    await driver.createNetwork(both);
    const other = request({ id: "ef".padEnd(64, "0"), v4: poolData("172.31.0.128/25", "172.31.0.129") });
    expect(await failure(driver.createNetwork(other))).toMatch(/^forbidden: .*overlapping IPv4$/);
    await driver.deleteNetwork({ networkId });
    await driver.createNetwork(other);
  });
});
