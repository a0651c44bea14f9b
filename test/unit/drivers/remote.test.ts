import { describe, expect, it } from "vitest";
import {
  createRemoteDriver,
  type RemoteCapabilities,
  readCapabilities,
} from "../../../drivers/remote/index.ts";
import type { PluginCaller } from "../../../src/driverkit/index.ts";
import { type Address, type Prefix, parseAddress, parseMac, parsePrefix } from "../../../src/netip/index.ts";
import { internal, notImplemented, unavailable } from "../../../src/util/errors.ts";

const networkId = "a".repeat(64);
const endpointId = "b".repeat(64);
const ref = { networkId, endpointId };
const refOut = { NetworkID: networkId, EndpointID: endpointId };

/** A plugin in memory: what is a function is called with the request, what is absent is not implemented. */
class Plugin implements PluginCaller {
  readonly name = "p";
  readonly calls: { readonly method: string; readonly request: unknown }[] = [];
  readonly #answers: Record<string, object | Error>;

  constructor(answers: Record<string, object | Error>) {
    this.#answers = answers;
  }

  async call(method: string, request?: object) {
    this.calls.push({
      method,
      request: request === undefined ? undefined : JSON.parse(JSON.stringify(request)),
    });
    const answer = this.#answers[method.replace("NetworkDriver.", "")];
    if (answer instanceof Error) throw answer;
    if (!answer) throw notImplemented("no such method");
    return answer as Record<string, unknown>;
  }

  get last() {
    return this.calls.at(-1);
  }
}

const local: RemoteCapabilities = {
  scope: "local",
  connectivityScope: "local",
  replay: false,
  checksGateway: false,
};

function driverOf(answers: Record<string, object | Error>, capabilities: Partial<RemoteCapabilities> = {}) {
  const plugin = new Plugin(answers);
  return { plugin, driver: createRemoteDriver(plugin, { ...local, ...capabilities }) };
}

describe("what a remote driver can do", () => {
  it.each([
    [{ Scope: "local" }, { scope: "local", connectivityScope: "local", checksGateway: false }],
    [{ Scope: "global" }, { scope: "global", connectivityScope: "global" }],
    [
      { Scope: "local", ConnectivityScope: "global" },
      { scope: "local", connectivityScope: "global" },
    ],
    [
      { scope: "local", gwallocchecker: true },
      { scope: "local", checksGateway: true },
    ],
  ])("is read from %j", async (answer, expected) => {
    expect(await readCapabilities(new Plugin({ GetCapabilities: answer }))).toMatchObject(expected);
  });

  it.each([
    [{}],
    [{ Scope: "swarm" }],
    [{ Scope: 3 }],
    [{ Scope: "local", ConnectivityScope: "x" }],
    [{ Err: "no" }],
  ])("is refused when it says %j", async (answer) => {
    await expect(readCapabilities(new Plugin({ GetCapabilities: answer }))).rejects.toThrow(
      "plugin p: NetworkDriver.GetCapabilities",
    );
  });

  it("is asked about gateways only when it says so", async () => {
    expect(driverOf({}).driver.checkGateway).toBeUndefined();
    const { driver, plugin } = driverOf({ GwAllocCheck: { SkipIPv4: true } }, { checksGateway: true });
    const options = { enableIpv4: true, enableIpv6: false, internal: false, generic: { a: "b" } };
    expect(await driver.checkGateway?.(options)).toEqual({ skipIpv4: true, skipIpv6: false });
    expect(plugin.last).toEqual({
      method: "NetworkDriver.GwAllocCheck",
      request: {
        Options: { "com.docker.network.enable_ipv6": false, "com.docker.network.generic": { a: "b" } },
      },
    });
  });
});

describe("networks of a remote driver", () => {
  it("are told with their pools and options, in the protocol's types", async () => {
    const { driver, plugin } = driverOf({ CreateNetwork: {} });
    await driver.createNetwork({
      networkId,
      networkName: "n",
      options: { enableIpv4: false, enableIpv6: true, internal: true, generic: {} },
      ipv4Data: [],
      ipv6Data: [
        {
          addressSpace: "LocalDefault",
          pool: prefix("fd00::/64"),
          gateway: prefix("fd00::1/64"),
          auxAddresses: { router: prefix("fd00::9/64") },
        },
      ],
    });
    expect(plugin.last?.request).toEqual({
      NetworkID: networkId,
      Options: {
        "com.docker.network.enable_ipv4": false,
        "com.docker.network.enable_ipv6": true,
        "com.docker.network.internal": true,
        "com.docker.network.generic": {},
      },
      IPv4Data: [],
      IPv6Data: [
        {
          AddressSpace: "LocalDefault",
          Pool: "fd00::/64",
          Gateway: "fd00::1/64",
          AuxAddresses: { router: "fd00::9/64" },
        },
      ],
    });
  });

  it("without a gateway have no such key", async () => {
    const { driver, plugin } = driverOf({ CreateNetwork: {} });
    const pool = { addressSpace: "null", pool: prefix("0.0.0.0/0"), auxAddresses: {} };
    await driver.createNetwork({
      networkId,
      networkName: "n",
      options: { enableIpv4: true, enableIpv6: false, internal: false, generic: {} },
      ipv4Data: [pool],
      ipv6Data: [],
    });
    expect(plugin.last?.request).toMatchObject({ IPv4Data: [{ AddressSpace: "null", Pool: "0.0.0.0/0" }] });
  });

  it("are refused in the plugin's words", async () => {
    const { driver } = driverOf({ CreateNetwork: { Err: "out of wire" } });
    const options = { enableIpv4: true, enableIpv6: false, internal: false, generic: {} };
    const request = { networkId, networkName: "n", options, ipv4Data: [], ipv6Data: [] };
    await expect(driver.createNetwork(request)).rejects.toThrow(
      "plugin p: NetworkDriver.CreateNetwork: out of wire",
    );
  });

  it.each([[{ Err: "never heard of it" }], [internal("status 500")], [notImplemented("no such method")]])(
    "go, whatever the plugin says: %j",
    async (answer) => {
      const { driver, plugin } = driverOf({ DeleteNetwork: answer });
      await driver.deleteNetwork({ networkId });
      expect(plugin.last).toEqual({
        method: "NetworkDriver.DeleteNetwork",
        request: { NetworkID: networkId },
      });
    },
  );
});

describe("endpoints of a remote driver", () => {
  const options = {
    exposedPorts: [{ protocol: "tcp", port: 80, count: 2 }],
    portBindings: [
      {
        protocol: "udp",
        containerPort: 53,
        hostAddress: address("127.0.0.1"),
        hostPorts: { first: 5300, last: 5310 },
      },
      { protocol: "tcp", containerPort: 80, count: 2, hostPorts: { first: 8080, last: 8081 } },
    ],
    dnsServers: [address("9.9.9.9")],
    macAddress: mac("02:42:0a:01:00:05"),
    driverOpts: { "com.example.speed": "fast" },
  } as const;
  const asked = { address: prefix("10.1.0.5/24") };
  const portOptions = {
    "com.docker.network.endpoint.exposedports": [
      { Proto: 6, Port: 80 },
      { Proto: 6, Port: 81 },
    ],
    "com.docker.network.portmap": [
      { Proto: 17, IP: "", Port: 53, HostIP: "127.0.0.1", HostPort: 5300, HostPortEnd: 5310 },
      { Proto: 6, IP: "", Port: 80, HostIP: "", HostPort: 8080, HostPortEnd: 8080 },
      { Proto: 6, IP: "", Port: 81, HostIP: "", HostPort: 8081, HostPortEnd: 8081 },
    ],
  };

  it("are told with all that was chosen, in the protocol's types", async () => {
    const { driver, plugin } = driverOf({ CreateEndpoint: {} });
    expect(await driver.createEndpoint({ ...ref, interface: asked, options })).toEqual(asked);
    expect(plugin.last?.request).toEqual({
      ...refOut,
      Interface: { Address: "10.1.0.5/24", AddressIPv6: "", MacAddress: "" },
      Options: {
        ...portOptions,
        "com.docker.network.endpoint.macaddress": "AkIKAQAF",
        "com.docker.network.endpoint.dnsservers": ["9.9.9.9"],
        "com.example.speed": "fast",
      },
    });
  });

  it.each([
    ["nothing", {}, {}],
    ["an empty interface", { Interface: null }, {}],
    [
      "what was empty",
      { Interface: { MacAddress: "02:42:0A:01:00:05" } },
      { macAddress: mac("02:42:0a:01:00:05") },
    ],
    ["keys in any case", { interface: { addressipv6: "fd00::5/64" } }, { addressIpv6: prefix("fd00::5/64") }],
  ])("may be answered with %s", async (_, answer, expected) => {
    const { driver } = driverOf({ CreateEndpoint: answer });
    expect(await driver.createEndpoint({ ...ref, interface: asked, options })).toEqual({
      ...asked,
      ...expected,
    });
  });

  it.each([
    ["another address", { Address: "10.1.0.6/24" }, "driver modified interface address"],
    ["an address without length", { AddressIPv6: "fd00::5" }, "AddressIPv6"],
    ["a MAC that is none", { MacAddress: "02:42" }, "MacAddress"],
    ["a number", { MacAddress: 7 }, "MacAddress"],
  ])("must not be answered with %s", async (_, interface_, message) => {
    const { driver } = driverOf({ CreateEndpoint: { Interface: interface_ } });
    await expect(driver.createEndpoint({ ...ref, interface: asked, options })).rejects.toThrow(message);
  });

  it("join with the sandbox's ports, and may have a link, gateways and routes", async () => {
    const { driver, plugin } = driverOf({
      CreateEndpoint: {},
      Join: {
        InterfaceName: { SrcName: "veth1", DstName: "ignored", DstPrefix: "net" },
        Gateway: "10.1.0.1",
        GatewayIPv6: "",
        StaticRoutes: [
          { Destination: "10.2.0.0/16", RouteType: 0, NextHop: "10.1.0.9" },
          { Destination: "10.3.0.0/16", RouteType: 1, NextHop: "" },
        ],
        DisableGatewayService: true,
      },
    });
    await driver.createEndpoint({ ...ref, interface: asked, options });
    const response = await driver.join({
      ...ref,
      sandboxKey: "/run/netns/1",
      freeIndex: 7,
      suggestedName: "eth0",
    });
    expect(plugin.last?.request).toEqual({ ...refOut, SandboxKey: "/run/netns/1", Options: portOptions });
    expect(response).toEqual({
      link: { srcName: "veth1", dstPrefix: "net" },
      gateway: address("10.1.0.1"),
      staticRoutes: [
        { destination: prefix("10.2.0.0/16"), nextHop: address("10.1.0.9") },
        { destination: prefix("10.3.0.0/16") },
      ],
      disableGatewayService: true,
    });
  });

  it.each([
    ["nothing", {}],
    ["no interface", { InterfaceName: null }],
    ["an interface without a name", { InterfaceName: { SrcName: "", DstPrefix: "eth" } }],
  ])("join without a link when the answer is %s", async (_, answer) => {
    const { driver } = driverOf({ Join: answer });
    const response = await driver.join({
      ...ref,
      sandboxKey: "/run/netns/1",
      freeIndex: 7,
      suggestedName: "eth0",
    });
    expect(response).toEqual({ staticRoutes: [], disableGatewayService: false });
  });

  it.each([
    ["a gateway that is none", { Gateway: "10.1.0.1/24" }, "Gateway"],
    ["a route without destination", { StaticRoutes: [{ RouteType: 1 }] }, "Destination"],
    ["a route of type 7", { StaticRoutes: [{ Destination: "10.0.0.0/8", RouteType: 7 }] }, "RouteType"],
    ["a route to nowhere", { StaticRoutes: [{ Destination: "10.0.0.0/8", RouteType: 0 }] }, "NextHop"],
    ["routes that are none", { StaticRoutes: "all" }, "StaticRoutes"],
    ["an interface that is text", { InterfaceName: "eth0" }, "InterfaceName"],
  ])("do not join with %s", async (_, answer, message) => {
    const { driver } = driverOf({ Join: answer });
    const joining = driver.join({ ...ref, sandboxKey: "/run/netns/1", freeIndex: 7, suggestedName: "eth0" });
    await expect(joining).rejects.toThrow(message);
  });

  it("leave and are deleted by their ids", async () => {
    const { driver, plugin } = driverOf({ Leave: {}, DeleteEndpoint: {} });
    await driver.leave(ref);
    await driver.deleteEndpoint({ ...ref, sandboxIsGone: true });
    expect(plugin.calls).toEqual([
      { method: "NetworkDriver.Leave", request: refOut },
      { method: "NetworkDriver.DeleteEndpoint", request: refOut },
    ]);
  });

  it("tell of published ports, also that IPv6 is somebody else's", async () => {
    const { driver, plugin } = driverOf({ ProgramExternalConnectivity: {} });
    const published = await driver.programExternalConnectivity?.({
      ...ref,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: true,
      ...options,
    });
    expect(published).toEqual([]);
    expect(plugin.last?.request).toEqual({
      ...refOut,
      Options: { ...portOptions, "com.docker.network.driver.private.no_proxy_6to4": true },
    });
  });

  it("tell which host ports they have, as dockerd's own drivers do", async () => {
    const binding = {
      Proto: 6,
      IP: "10.9.0.2",
      Port: 80,
      HostIP: "192.0.2.1",
      HostPort: 8080,
      HostPortEnd: 8080,
    };
    const unbound = { Proto: 17, IP: "", Port: 53, HostIP: "", HostPort: 0 };
    const everywhere = { Proto: 17, Port: 53, HostPort: 5353 };
    const value = { "com.docker.network.portmap": [binding, unbound, everywhere], "their.own": [1] };
    const { driver, plugin } = driverOf({ EndpointOperInfo: { Value: value } });
    expect(await driver.publishedPorts?.(ref)).toEqual([
      { protocol: "tcp", containerPort: 80, hostAddress: address("192.0.2.1"), hostPort: 8080 },
      { protocol: "udp", containerPort: 53, hostAddress: address("0.0.0.0"), hostPort: 5353 },
    ]);
    expect(plugin.calls).toEqual([{ method: "NetworkDriver.EndpointOperInfo", request: refOut }]);
  });

  it.each([
    ["does not know the method", {}],
    ["says nothing", { EndpointOperInfo: { Value: null } }],
    ["refuses", { EndpointOperInfo: { Err: "no" } }],
    ["is away", { EndpointOperInfo: unavailable("gone") }],
    ["lies", { EndpointOperInfo: { Value: { "com.docker.network.portmap": "all" } } }],
  ])("have no host ports of their own when the plugin %s", async (_, answers) => {
    expect(await driverOf(answers).driver.publishedPorts?.(ref)).toEqual([]);
  });

  it("need no methods that came later", async () => {
    const { driver } = driverOf({});
    const request = { ...ref, gateways: { ipv4: true, ipv6: true }, ipv6Elsewhere: false, ...options };
    expect(await driver.programExternalConnectivity?.(request)).toEqual([]);
    await driver.revokeExternalConnectivity?.(ref);
  });

  it("are not told of ports that are another endpoint's to publish, but their sandbox is", async () => {
    const { driver, plugin } = driverOf({ CreateEndpoint: {}, Join: {} });
    const request = { ...ref, interface: {}, options: { ...options, portsElsewhere: true } };
    await driver.createEndpoint(request);
    const keys = (at: number) => {
      const request = plugin.calls[at]?.request as { Options: object } | undefined;
      return Object.keys(request?.Options ?? {}).filter((key) => /port/.test(key));
    };
    await driver.join({ ...ref, sandboxKey: "/run/x", freeIndex: 2, suggestedName: "eth0" });
    expect(keys(0)).toEqual([]);
    expect(keys(1)).toHaveLength(2);
  });

  it("fail as the plugin does", async () => {
    const { driver } = driverOf({ Leave: unavailable("plugin p is not there") });
    await expect(driver.leave(ref)).rejects.toMatchObject({ kind: "unavailable" });
  });
});

function prefix(text: string): Prefix {
  const value = parsePrefix(text);
  if (!value) throw new Error(`${text} is no prefix`);
  return value;
}

function address(text: string): Address {
  const value = parseAddress(text);
  if (!value) throw new Error(`${text} is no address`);
  return value;
}

function mac(text: string) {
  const value = parseMac(text);
  if (!value) throw new Error(`${text} is no MAC`);
  return value;
}
