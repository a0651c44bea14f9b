// The bridge driver on a fake host: what the kernel and the firewall are told, and what failures leave.

import { describe, expect, test } from "vitest";
import createBridgeDriver from "../../../drivers/bridge/index.ts";
import type {
  CreateNetworkRequest,
  HostSettings,
  NetworkDriver,
  PoolData,
  PortBinding,
  Rule,
} from "../../../src/driverapi/index.ts";
import { formatAddress, formatPortRange } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";
import { createFakeHost, type FakeHost } from "./fake-host.ts";

const networkId = "0123456789ab".padEnd(64, "c");
const endpointId = "ba9876543210".padEnd(64, "d");
const link = "br-0123456789ab";

function poolData(pool: string, gateway: string, aux: Record<string, string> = {}): PoolData {
  const { length } = prefix(pool);
  return {
    addressSpace: "LocalDefault",
    pool: prefix(pool),
    gateway: { address: address(gateway), length },
    auxAddresses: Object.fromEntries(
      Object.entries(aux).map(([name, text]) => [name, { address: address(text), length }]),
    ),
  };
}

const ipv4 = poolData("172.18.0.0/16", "172.18.0.1");
const ipv6 = poolData("2001:db8::/64", "2001:db8::1");

interface Wish {
  readonly id?: string;
  readonly generic?: Record<string, string>;
  readonly internal?: boolean;
  readonly v4?: PoolData | false;
  readonly v6?: PoolData;
}

function request({
  id = networkId,
  generic = {},
  internal = false,
  v4 = ipv4,
  v6,
}: Wish = {}): CreateNetworkRequest {
  return {
    networkId: id,
    networkName: "x1",
    options: { enableIpv4: v4 !== false, enableIpv6: v6 !== undefined, internal, generic },
    ipv4Data: v4 ? [v4] : [],
    ipv6Data: v6 ? [v6] : [],
  };
}

const option = (name: string, value: string) => ({ [`com.docker.network.${name}`]: value });

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? `${errorKind(error)}: ${error.message}` : "no failure";
}

function build(settings: Partial<HostSettings> = {}): { host: FakeHost; driver: NetworkDriver } {
  const host = createFakeHost(settings);
  return { host, driver: createBridgeDriver(host) };
}

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

interface EndpointWish extends Wish {
  readonly driverOpts?: Record<string, string>;
  readonly settings?: Partial<HostSettings>;
  readonly sysctls?: Readonly<Record<string, string>>;
}

async function endpointOn(wish: EndpointWish = {}) {
  const { host, driver } = build(wish.settings);
  for (const [key, value] of Object.entries(wish.sysctls ?? {})) host.sysctls.set(key, value);
  await driver.createNetwork(request(wish));
  const created = await driver.createEndpoint({
    networkId,
    endpointId,
    interface: {
      ...(wish.v4 !== false && { address: prefix("172.18.0.2/16") }),
      ...(wish.v6 && { addressIpv6: prefix("2001:db8::2/64") }),
    },
    options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: wish.driverOpts ?? {} },
  });
  host.steps.transcript.length = 0;
  const join = () =>
    driver.join({ networkId, endpointId, sandboxKey: "/run/netns/c1", freeIndex: 2, suggestedName: "eth0" });
  return { host, driver, created, join };
}

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

const tcp = (containerPort: number, hostPort?: number, hostAddress?: string): PortBinding => ({
  protocol: "tcp",
  containerPort,
  ...(hostPort && { hostPorts: { first: hostPort, last: hostPort } }),
  ...(hostAddress && { hostAddress: address(hostAddress) }),
});

describe("published ports", () => {
  async function publish(
    wish: EndpointWish,
    portBindings: readonly PortBinding[],
    part: { ipv6Elsewhere?: boolean } = {},
  ) {
    const made = await endpointOn(wish);
    await made.join();
    made.host.steps.transcript.length = 0;
    const program = () =>
      made.driver.programExternalConnectivity?.({
        networkId,
        endpointId,
        gateways: { ipv4: wish.v4 !== false, ipv6: wish.v6 !== undefined },
        ipv6Elsewhere: false,
        exposedPorts: [],
        portBindings,
        ...part,
      });
    const published = (await program()) ?? [];
    const shown = published.map(
      ({ hostAddress, hostPort, containerPort }) =>
        `${formatAddress(hostAddress)} ${hostPort} ${containerPort}`,
    );
    const forwards = (made.host.forwards.get(endpointId) ?? []).map(
      ({ listen, listenPorts, target, targetPort }) =>
        `${formatAddress(listen)} ${formatPortRange(listenPorts)} ${formatAddress(target)} ${targetPort}`,
    );
    return { ...made, program, shown, forwards, rules: made.host.rules.get(endpointId) ?? [] };
  }

  test("are translated by the kernel on IPv4 and forwarded in user space from IPv6", async () => {
    const { shown, rules, forwards, host } = await publish({}, [tcp(80, 8080)]);
    expect(shown).toEqual(["0.0.0.0 8080 80", ":: 8080 80"]);
    expect([...host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    expect(rules).toEqual([
      {
        kind: "publish",
        link,
        protocol: "tcp",
        hostPorts: { first: 8080, last: 8080 },
        target: address("172.18.0.2"),
        targetPorts: { first: 80, last: 80 },
      },
      // the forwarder's socket counts as published to networks that reach no other ports of the host
      { kind: "open", protocol: "tcp", family: 6, hostPorts: { first: 8080, last: 8080 } },
    ]);
    expect(forwards).toEqual([":: 8080 172.18.0.2 80"]);
  });

  test("of a container with IPv6 are translated for both, and [::1] is forwarded", async () => {
    const { rules, forwards } = await publish({ v6: ipv6 }, [tcp(80, 8080)]);
    expect(rules.map((rule) => rule.kind === "publish" && formatAddress(rule.target))).toEqual([
      "172.18.0.2",
      "2001:db8::2",
    ]);
    expect(forwards).toEqual([":: 8080 2001:db8::2 80"]);
  });

  test("on one address are on that address alone", async () => {
    const { shown, rules, forwards } = await publish({}, [tcp(80, 8080, "127.0.0.1"), tcp(81, 81, "::1")]);
    expect(shown).toEqual(["127.0.0.1 8080 80", "::1 81 81"]);
    expect(rules).toMatchObject([{ hostAddress: address("127.0.0.1") }]);
    expect(forwards).toEqual(["::1 81 172.18.0.2 81"]);
  });

  test("take the network's default address", async () => {
    const { shown } = await publish({ generic: option("bridge.host_binding_ipv4", "127.0.0.1") }, [
      tcp(80, 8080),
    ]);
    expect(shown).toEqual(["127.0.0.1 8080 80"]);
    const any = await publish({ generic: option("bridge.host_binding_ipv4", "0.0.0.0") }, [tcp(80, 8080)]);
    expect(any.shown).toEqual(["0.0.0.0 8080 80", ":: 8080 80"]);
  });

  test("a thousand become one reservation, one rule and one call each", async () => {
    const bindings = Array.from({ length: 1000 }, (_, at) => tcp(20000 + at, 30000 + at, "0.0.0.0"));
    const { rules, host } = await publish({}, bindings.toReversed());
    expect(rules).toEqual([
      expect.objectContaining({
        hostPorts: { first: 30000, last: 30999 },
        targetPorts: { first: 20000, last: 20999 },
      }),
    ]);
    expect(host.steps.transcript.filter((step) => step.startsWith("firewall"))).toEqual(["firewall publish"]);
  });

  test("that do not follow one another stay apart", async () => {
    const { rules } = await publish({}, [tcp(80, 8080), tcp(81, 8082), tcp(90, 8083)]);
    expect(rules.filter(({ kind }) => kind === "publish")).toHaveLength(3);
  });

  test("without a host port get one", async () => {
    const { shown } = await publish({}, [tcp(80)]);
    expect(shown).toEqual(["0.0.0.0 32768 80", ":: 32768 80"]);
  });

  test("in routed mode are allowed in, without a host port", async () => {
    const { shown, rules, host } = await publish({ generic: option("bridge.gateway_mode_ipv4", "routed") }, [
      tcp(80, 8080),
    ]);
    expect(rules).toEqual([
      {
        kind: "allow",
        link,
        target: address("172.18.0.2"),
        protocol: "tcp",
        targetPorts: { first: 80, last: 80 },
      },
    ]);
    expect(shown).toEqual(["0.0.0.0 0 80"]);
    expect(host.held.size).toBe(0);
  });

  test("are open to trusted links at the container's address, each once, but for those of the host alone", async () => {
    const wish = { v6: ipv6, generic: option("bridge.trusted_host_interfaces", "eth1") };
    const { rules } = await publish(wish, [
      bind(80, 8080, 3),
      bind(81, 9081, 3),
      tcp(99, 99, "192.0.2.1"),
      tcp(443, 8443, "127.0.0.1"),
      tcp(53, 53, "2001:db8::1"),
    ]);
    const allowed = rules.filter((rule) => rule.kind === "allow");
    expect(
      allowed.map(({ from, target, targetPorts }) => [
        from,
        formatAddress(target),
        formatPortRange(targetPorts),
      ]),
    ).toEqual([
      ["trusted", "172.18.0.2", "80-83"],
      ["trusted", "172.18.0.2", "99"],
      ["trusted", "2001:db8::2", "53"],
    ]);
  });

  test.each(["nat-unprotected", "routed"])(
    "are nothing special to trusted links in mode %s",
    async (mode) => {
      const plain = option("bridge.gateway_mode_ipv4", mode);
      const trusting = { ...plain, ...option("bridge.trusted_host_interfaces", "eth1") };
      const bindings = [tcp(80, 8080)];
      const { rules } = await publish({ generic: trusting }, bindings);
      expect(rules).toEqual((await publish({ generic: plain }, bindings)).rules);
    },
  );

  test("on an internal network are not", async () => {
    const { shown, rules, host } = await publish({ internal: true }, [tcp(80, 8080)]);
    expect([shown, rules, host.held.size]).toEqual([[], [], 0]);
  });

  test("leave IPv6 to another endpoint that is the way out for it", async () => {
    const { shown } = await publish({}, [tcp(80, 8080)], { ipv6Elsewhere: true });
    expect(shown).toEqual(["0.0.0.0 8080 80"]);
  });

  test("are all forwarded in user space too where the operator wants that", async () => {
    const { forwards } = await publish({ settings: { userlandProxy: true } }, [tcp(80, 8080)]);
    expect(forwards).toEqual(["0.0.0.0 8080 172.18.0.2 80", ":: 8080 172.18.0.2 80"]);
  });

  const bind = (containerPort: number, hostPort: number, count: number): PortBinding => ({
    protocol: "tcp",
    containerPort,
    count,
    hostPorts: { first: hostPort, last: hostPort + count - 1 },
    hostAddress: address("0.0.0.0"),
  });
  const ranges = (rules: readonly Rule[] = []) =>
    rules.filter((rule) => rule.kind === "publish").map(({ hostPorts }) => formatPortRange(hostPorts));

  test("are changed while the container runs: what stays is not reserved again and keeps its rule", async () => {
    const { host, driver } = await publish({}, [bind(8000, 8000, 10), tcp(80)]);
    const request = {
      networkId,
      endpointId,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: false,
      exposedPorts: [],
    };
    const program = (portBindings: readonly PortBinding[]) =>
      driver.programExternalConnectivity?.({ ...request, portBindings });
    host.steps.transcript.length = 0;
    const grown = await program([bind(8000, 8000, 10), tcp(80), bind(8010, 8010, 1), tcp(90, 9000)]);
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([
      "reserve tcp 8010",
      "reserve tcp 9000",
    ]);
    expect(ranges(host.rules.get(endpointId))).toEqual(["8000-8009", "8010", "9000", "32769"]);
    expect(grown?.find(({ containerPort }) => containerPort === 80)?.hostPort).toBe(32769);

    host.steps.transcript.length = 0;
    await program([bind(8000, 8000, 5), bind(8006, 8006, 4), tcp(90, 9000)]);
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([]);
    expect(ranges(host.rules.get(endpointId))).toEqual(["8000-8004", "8006-8009", "9000"]);
    expect([host.held.has("tcp 0.0.0.0:8005"), host.held.has("tcp 0.0.0.0:8004")]).toEqual([false, true]);
    expect([host.held.has("tcp 0.0.0.0:8010"), host.held.has("tcp 0.0.0.0:32769")]).toEqual([false, false]);
  });

  test("lead to another container port without a moment in which the host port is free", async () => {
    const { host, program, driver } = await publish({}, [tcp(80, 8080)]);
    await program();
    host.steps.transcript.length = 0;
    await driver.programExternalConnectivity?.({
      networkId,
      endpointId,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: false,
      exposedPorts: [],
      portBindings: [tcp(81, 8080)],
    });
    expect(host.steps.transcript.filter((step) => step.startsWith("reserve"))).toEqual([]);
    expect(host.rules.get(endpointId)?.[0]).toMatchObject({ targetPorts: { first: 81, last: 81 } });
  });

  test("are as they were when a change fails at any step", async () => {
    const { host, driver, program } = await publish({}, [tcp(80, 8080)]);
    const before = { rules: host.rules.get(endpointId), forwards: host.forwards.get(endpointId) };
    for (let step = 1; step <= 3; step++) {
      host.steps.failAt(step);
      const changing = driver.programExternalConnectivity?.({
        networkId,
        endpointId,
        gateways: { ipv4: true, ipv6: false },
        ipv6Elsewhere: false,
        exposedPorts: [],
        portBindings: [tcp(90, 9000)],
      });
      await expect(changing, `step ${step}`).rejects.toThrow("injected");
      host.steps.failAt(undefined);
      expect([host.rules.get(endpointId), host.forwards.get(endpointId)]).toEqual([
        before.rules,
        before.forwards,
      ]);
      expect([...host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    }
    await program();
  });

  test("are refused when one request asks for a host port twice", async () => {
    await expect(publish({}, [tcp(80, 8080), tcp(81, 8080)])).rejects.toThrow(
      "Bind for 0.0.0.0:8080 failed: port is already allocated",
    );
  });

  test("close again, in an order that lets nobody in, and may be closed twice", async () => {
    const { host, driver } = await publish({}, [tcp(80, 8080)]);
    for (let round = 0; round < 2; round++)
      await driver.revokeExternalConnectivity?.({ networkId, endpointId });
    expect([host.held.size, host.rules.has(endpointId), host.forwards.size]).toEqual([0, false, 0]);
  });

  test("go with their endpoint or their network", async () => {
    const one = await publish({}, [tcp(80, 8080)]);
    await one.driver.deleteEndpoint({ networkId, endpointId });
    expect(one.host.held.size).toBe(0);
    const two = await publish({}, [tcp(80, 8080)]);
    await two.driver.deleteNetwork({ networkId });
    expect(two.host.held.size).toBe(0);
  });

  test("that fail at any step leave none open", async () => {
    const { host, driver, program } = await publish({}, []);
    const bindings = [tcp(80, 8080), tcp(90, 8081)];
    for (let step = 1; step <= 4; step++) {
      host.steps.failAt(step);
      const programming = driver.programExternalConnectivity?.({
        networkId,
        endpointId,
        gateways: { ipv4: true, ipv6: false },
        ipv6Elsewhere: false,
        exposedPorts: [],
        portBindings: bindings,
      });
      await expect(programming, `step ${step}`).rejects.toThrow("injected");
      host.steps.failAt(undefined);
      expect([host.rules.has(endpointId), host.forwards.size]).toEqual([false, 0]);
      // the fake reserves one by one: what it took before it failed is its own to give back
      host.held.clear();
    }
    await program();
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
