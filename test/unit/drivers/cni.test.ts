// The CNI driver without a kernel: what plugins are told, what becomes of their answers, and what a crash leaves.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { EndpointOptions } from "../../../src/driverapi/index.ts";
import { parseAddress, parseMac } from "../../../src/netip/index.ts";
import { CniWorld, endpoint, failing, join1, netns, ref } from "./cni-world.ts";

const bridge = { type: "bridge", bridge: "cni0", ipam: { type: "host-local" } };
const portmap = { type: "portmap", capabilities: { portMappings: true } };
const list = (...plugins: object[]) => ({ cniVersion: "1.0.0", name: "cn", plugins });

async function world(): Promise<CniWorld> {
  return await new CniWorld().install("bridge", "host-local", "portmap", "tuning");
}

/** With an endpoint that has joined. */
async function joined(conf: object = list(bridge, portmap), options: Partial<EndpointOptions> = {}) {
  const made = await world();
  await made.driver.createNetwork(made.network(conf));
  await made.driver.createEndpoint({ ...endpoint, options: { ...endpoint.options, ...options } });
  return { made, response: await made.driver.join(join1) };
}

const external = (...hostPorts: number[]) => ({
  ...ref,
  gateways: { ipv4: true, ipv6: true },
  ipv6Elsewhere: false,
  exposedPorts: [],
  portBindings: hostPorts.map((port) => ({
    protocol: "tcp" as const,
    containerPort: 80,
    hostPorts: { first: port, last: port },
  })),
});

describe("a network's configuration", () => {
  test("is a list, or one plugin, as text or as a file that is read once", async () => {
    const made = await world();
    const file = join(made.folder, "10-net.conf");
    await writeFile(file, JSON.stringify({ cniVersion: "0.4.0", name: "filed", ...bridge }));
    await made.driver.createNetwork(made.network(file));
    await writeFile(file, "gone wrong");
    made.restart();
    await made.driver.createNetwork(made.network(file));
    const effective = await made.driver.effectiveOptions?.({ networkId: "n1" });
    expect(JSON.parse(effective?.["tsdocker.cni.conf"] ?? "")).toEqual({
      cniVersion: "0.4.0",
      name: "filed",
      plugins: [{ cniVersion: "0.4.0", name: "filed", ...bridge }],
    });
  });

  test("is as well made of keys, whose values are JSON where they can be", async () => {
    const made = await world();
    const { options, ...rest } = made.network("");
    const generic = {
      "tsdocker.cni.path": made.folder,
      "tsdocker.cni.type": "bridge",
      "tsdocker.cni.isGateway": "true",
      "tsdocker.cni.mtu": "1400",
      "tsdocker.cni.ipam.type": "host-local",
      "tsdocker.cni.ipam.routes": '[{"dst":"0.0.0.0/0"}]',
      "tsdocker.cni.ipam.subnet": "10.1.0.0/24",
    };
    await made.driver.createNetwork({ ...rest, options: { ...options, generic } });
    await made.driver.createEndpoint(endpoint);
    await made.driver.join(join1);
    expect(made.told.find(({ command }) => command === "ADD")?.conf).toEqual({
      cniVersion: "1.0.0",
      name: "net",
      type: "bridge",
      isGateway: true,
      mtu: 1400,
      ipam: { type: "host-local", routes: [{ dst: "0.0.0.0/0" }], subnet: "10.1.0.0/24" },
    });
  });

  test.each([
    ['{"type":}', /is not JSON: .*'}'.*/],
    ["{}", "plugin 1: has no type"],
    ["relative.conf", "neither an absolute path on the daemon's host nor a JSON object"],
    ["/none.conf", "read CNI configuration /none.conf: ENOENT"],
    [{ plugins: [] }, "plugins: is not a list of plugins"],
    [{ name: "../x", ...bridge }, 'name: "../x" is not a name of a CNI network'],
    [{ type: "../bridge" }, 'plugin 1: type: "../bridge" is not the name of a plugin'],
    [{ plugins: [bridge, {}] }, "plugin 2: has no type"],
    [{ type: "foo" }, /CNI plugin foo not found in .*; there are: bridge, host-local, portmap, tuning/],
    [{ type: "bridge", ipam: { type: "foo" } }, "CNI plugin foo not found"],
    [
      { cniVersion: "0.2.0", ...bridge },
      "cniVersion 0.2.0: the versions spoken here are 1.1.0, 1.0.0, 0.4.0",
    ],
    [{ cniVersion: "1.1.0", ...bridge }, "CNI plugin bridge speaks 0.3.1, 0.4.0, 1.0.0, not 1.1.0"],
  ])("like %j is refused: %s", async (conf, message) => {
    const made = await world();
    await expect(made.driver.createNetwork(made.network(conf))).rejects.toThrow(message);
    expect(made.host.records.size).toBe(0);
  });

  test("is refused where it says things twice, nothing, or what other drivers have", async () => {
    const made = await world();
    const create = (options: Record<string, string>, part = {}) => {
      const request = made.network(bridge, { options, ...part });
      return made.driver.createNetwork(request);
    };
    await expect(create({ "tsdocker.cni.mtu": "1" })).rejects.toThrow("is the whole configuration");
    await expect(create({ parent: "eth0" })).rejects.toThrow("unknown option parent for driver cni");
    await expect(create({ "tsdocker.cni.timeout": "x" })).rejects.toThrow("is not a number of seconds");
    await expect(create({ "tsdocker.cni.path": "lib" })).rejects.toThrow('"lib" is not an absolute path');
    await expect(create({}, { internal: true })).rejects.toThrow("not by --internal");
    const { options, ...rest } = made.network("");
    const none = { ...rest, options: { ...options, generic: {} } };
    await expect(made.driver.createNetwork(none)).rejects.toThrow("a CNI network needs its configuration");
  });

  test("without a version is run by the best that all of its plugins speak", async () => {
    const made = await world();
    made.versions = ["0.3.1", "0.4.0"];
    await made.driver.createNetwork(made.network({ name: "cn", plugins: [bridge] }));
    await made.driver.createEndpoint(endpoint);
    await made.driver.join(join1);
    expect(made.told.at(-1)?.conf.cniVersion).toBe("0.4.0");
  });
});

describe("an endpoint that joins", () => {
  test("goes down the chain, each plugin on the result of the one before, and is what came out", async () => {
    const tuning = { type: "tuning", sysctl: {}, capabilities: { mac: true } };
    const { made, response } = await joined(list(bridge, tuning));
    expect(made.calls).toEqual(["ADD bridge", "ADD tuning"]);
    const [first, second] = made.told.filter(({ command }) => command === "ADD");
    expect(first?.env).toEqual({
      CNI_COMMAND: "ADD",
      CNI_PATH: made.folder,
      CNI_CONTAINERID: "e1",
      CNI_NETNS: netns,
      CNI_IFNAME: "eth0",
      CNI_ARGS: "IgnoreUnknown=1",
    });
    expect(first?.conf).toEqual({ ...bridge, cniVersion: "1.0.0", name: "cn" });
    expect(second?.conf).toMatchObject({ type: "tuning", prevResult: { ips: [{}, {}] } });
    expect(second?.conf).not.toHaveProperty("capabilities");
    expect(response).toMatchObject({
      link: { srcName: "eth0", isComplete: true },
      interface: { address: { length: 24 }, addressIpv6: { length: 64 }, macAddress: "02:00:00:00:00:09" },
      gateway: parseAddress("10.1.0.1"),
      gatewayIpv6: parseAddress("2001:db8:1::1"),
      dnsServers: [parseAddress("10.1.0.53")],
      disableGatewayService: true,
      staticRoutes: [],
    });
  });

  test("tells of wishes by every way that plugins have, and of others only those that declare them", async () => {
    const mac = parseMac("02:00:00:00:00:09");
    const wish = parseAddress("10.1.0.9");
    const able = { ...bridge, capabilities: { mac: true, ips: true, bandwidth: true } };
    const { made } = await joined(list(able), {
      ...(mac && { macAddress: mac }),
      ...(wish && { addresses: [wish] }),
      driverOpts: { "tsdocker.cni.args": "COLOUR=blue" },
    });
    const told = made.told.at(-1);
    expect(told?.conf.runtimeConfig).toEqual({ mac: "02:00:00:00:00:09", ips: ["10.1.0.9"] });
    expect(told?.env.CNI_ARGS).toBe("IgnoreUnknown=1;IP=10.1.0.9;MAC=02:00:00:00:00:09;COLOUR=blue");
  });

  test("is refused, and taken back, when the plugins pass over its wish", async () => {
    const wish = parseAddress("10.1.0.77");
    await expect(joined(list(bridge), wish ? { addresses: [wish] } : {})).rejects.toThrow(
      "CNI network cn does not give the address 10.1.0.77, but 10.1.0.9/24, 2001:db8:1::9/64",
    );
    const mac = parseMac("02:00:00:00:00:77");
    await expect(joined(list(bridge), mac ? { macAddress: mac } : {})).rejects.toThrow(
      "does not give the MAC 02:00:00:00:00:77, but 02:00:00:00:00:09",
    );
  });

  test.each([
    [
      failing(7, "no such master", "eth9"),
      "CNI plugin bridge: ADD: no such master: eth9 (code 7)",
      "invalid",
    ],
    [failing(11, "busy"), "CNI plugin bridge: ADD: busy (code 11)", "unavailable"],
    [
      { code: 2, stdout: "", stderr: "panic: oh no\n" },
      "CNI plugin bridge: ADD: exit 2: panic: oh no",
      "internal",
    ],
    [{ code: null, signal: "SIGSEGV", stdout: "" }, "CNI plugin bridge: ADD: ended by SIGSEGV", "internal"],
    [{ code: null, killedFor: "time" as const }, "killed, since it had not answered after 30 s", "internal"],
    [{ code: 0, stdout: "hello" }, "answered what is not a JSON object: hello", "internal"],
    [{ code: 0, stdout: "" }, "CNI plugin bridge: ADD: no result", "internal"],
    [{ ips: [{ address: "nowhere" }] }, 'result of a CNI plugin: ips: "nowhere" cannot be read', "internal"],
  ])("with a plugin that ends like %j fails, and a DEL goes up the chain", async (end, message, kind) => {
    const made = await world();
    await made.driver.createNetwork(made.network(list(bridge, { type: "tuning" })));
    await made.driver.createEndpoint(endpoint);
    made.answer = ({ command, type }) => (command === "ADD" && type === "bridge" ? end : undefined);
    const { error } = await made.driver.join(join1).then(
      () => ({ error: undefined }),
      (reason) => ({ error: reason }),
    );
    expect(error).toMatchObject({ kind, message: expect.stringContaining(message) });
    expect(made.calls.slice(-2)).toEqual(["DEL tuning", "DEL bridge"]);
    expect(made.host.records.has("e1")).toBe(false);
  });

  test("without a link, or with one that leads out by itself, says so", async () => {
    const made = await world();
    await made.driver.createNetwork(made.network(list(bridge)));
    await made.driver.createEndpoint(endpoint);
    made.answer = ({ command }) =>
      command === "ADD" ? { interfaces: [{ name: "lo", sandbox: netns }] } : undefined;
    expect(await made.driver.join(join1)).toMatchObject({ interface: {}, staticRoutes: [] });
    expect(await made.driver.join(join1)).not.toHaveProperty("link");
    made.answer = ({ command }) =>
      command === "ADD" ? { ips: [{ address: "10.1.0.9/32" }], routes: [{ dst: "0.0.0.0/0" }] } : undefined;
    await made.driver.leave(join1);
    const response = await made.driver.join(join1);
    expect(response).toMatchObject({
      link: { srcName: "eth0" },
      staticRoutes: [{ destination: { length: 0 } }],
    });
    expect(response).not.toHaveProperty("gateway");
  });
});

describe("an endpoint that leaves", () => {
  test("goes up the chain with the result of its ADD; again it is gone already", async () => {
    const { made } = await joined(list(bridge, { type: "tuning" }));
    await made.driver.leave(ref);
    await made.driver.deleteEndpoint(ref);
    expect(made.calls.slice(-2)).toEqual(["DEL tuning", "DEL bridge"]);
    // there is no such netns here
    expect(made.told.at(-1)).toMatchObject({
      env: { CNI_NETNS: "" },
      conf: { prevResult: { ips: [{}, {}] } },
    });
  });

  test("is tried again after a plugin failed, when it is deleted, and at the next start", async () => {
    const { made } = await joined(list(bridge, { type: "tuning" }));
    made.answer = ({ command, type }) =>
      command === "DEL" && type === "tuning" ? failing(999, "stuck") : undefined;
    await expect(made.driver.leave(ref)).rejects.toThrow("CNI plugin tuning: DEL: stuck");
    // the others have had their turn
    expect(made.calls.at(-1)).toBe("DEL bridge");
    await expect(made.driver.deleteEndpoint(ref)).rejects.toThrow("stuck");
    await made.driver.deleteNetwork({ networkId: "n1" });
    expect(made.host.records.size).toBe(2);
    made.restart();
    made.answer = () => undefined;
    await made.driver.sweep?.({ networkIds: new Set(), endpointIds: new Set() });
    expect(made.calls.slice(-2)).toEqual(["DEL tuning", "DEL bridge"]);
    expect(made.host.records.size).toBe(0);
  });
});

test("what a wrong configuration could not make is forgotten with its network", async () => {
  const made = await world();
  await made.driver.createNetwork(made.network(list(bridge)));
  await made.driver.createEndpoint(endpoint);
  made.answer = ({ command }) => (command === "VERSION" ? undefined : failing(999, "invalid CIDR"));
  await expect(made.driver.join(join1)).rejects.toThrow("ADD: invalid CIDR");
  expect(made.host.records.has("e1")).toBe(true);
  await expect(made.driver.deleteEndpoint(ref)).rejects.toThrow("DEL: invalid CIDR");
  await made.driver.deleteNetwork({ networkId: "n1" });
  expect(made.host.records.size).toBe(0);
});

describe("a daemon that died", () => {
  test("in the middle of an ADD has its DEL run at the next start", async () => {
    const made = await world();
    await made.driver.createNetwork(made.network(list(bridge, portmap)));
    await made.driver.createEndpoint(endpoint);
    const never = new Promise<never>(() => undefined);
    const { run } = made.host.programs;
    const reached = new Promise<void>((resolve) => {
      made.host.programs.run = (path, options) => {
        if (options.env.CNI_COMMAND !== "ADD") return run(path, options);
        resolve();
        return never;
      };
    });
    void made.driver.join(join1);
    await reached;
    made.restart();
    await made.driver.createNetwork(made.network(list(bridge, portmap)));
    await made.driver.sweep?.({ networkIds: new Set(["n1"]), endpointIds: new Set() });
    expect(made.calls).toEqual(["DEL bridge"]);
    expect(made.told.at(-1)?.conf).not.toHaveProperty("prevResult");
    expect([...made.host.records.values()]).toMatchObject([{ kind: "network" }]);
  });

  test("finds its endpoints as they are: CHECK, and no second ADD", async () => {
    const { made } = await joined();
    made.restart();
    await made.driver.createNetwork(made.network(list(bridge, portmap)));
    await made.driver.createEndpoint(endpoint);
    await made.driver.rejoin?.(join1);
    await made.driver.sweep?.({ networkIds: new Set(["n1"]), endpointIds: new Set(["e1"]) });
    expect(made.calls).toEqual(["ADD bridge", "CHECK bridge"]);
    const { routes } = made.told.at(-1)?.conf.prevResult ?? {};
    expect(routes).toEqual([{ dst: "10.2.0.0/16", gw: "10.1.0.7" }]);
    made.answer = ({ command }) => (command === "CHECK" ? failing(999, "no link eth0") : undefined);
    await expect(made.driver.rejoin?.(join1)).rejects.toThrow("CNI plugin bridge: CHECK: no link eth0");
  });

  test("makes a link that has vanished by a DEL and an ADD", async () => {
    const { made } = await joined();
    made.restart();
    await made.driver.createEndpoint(endpoint);
    await made.driver.join(join1);
    expect(made.calls).toEqual(["ADD bridge", "DEL bridge", "ADD bridge"]);
  });

  test("does not CHECK where the version has none or the author forbids it", async () => {
    for (const part of [{ cniVersion: "0.3.1" }, { disableCheck: true }]) {
      const { made } = await joined({ ...list(bridge), ...part });
      await made.driver.rejoin?.(join1);
      expect(made.calls).toEqual(["ADD bridge"]);
    }
  });
});

describe("plugins of CNI 1.1", () => {
  test("are asked whether they are ready, and told at a start which attachments there are", async () => {
    const made = await world();
    made.versions.push("1.1.0");
    const conf = { ...list(bridge), cniVersion: "1.1.0" };
    made.answer = ({ command }) => (command === "STATUS" ? failing(50, "no daemon") : undefined);
    await expect(made.driver.createNetwork(made.network(conf))).rejects.toThrow(
      "CNI plugin bridge: STATUS: no daemon (code 50)",
    );
    made.answer = () => undefined;
    await made.driver.createNetwork(made.network(conf));
    await made.driver.createEndpoint(endpoint);
    await made.driver.join(join1);
    await made.driver.sweep?.({ networkIds: new Set(["n1"]), endpointIds: new Set(["e1"]) });
    expect(made.calls).toEqual(["STATUS bridge", "STATUS bridge", "ADD bridge", "GC bridge"]);
    expect(made.told.at(-1)?.conf["cni.dev/valid-attachments"]).toEqual([
      { containerID: "e1", ifname: "eth0" },
    ]);
  });
});

describe("published ports", () => {
  test("are reserved, and told to the plugins that have the capability, with the result of the others", async () => {
    const { made } = await joined();
    const published = await made.driver.programExternalConnectivity?.(external(8080));
    expect(published).toMatchObject([
      { hostPort: 8080, hostAddress: { family: 4 } },
      { hostPort: 8080, hostAddress: { family: 6 } },
    ]);
    expect(made.told.at(-1)).toMatchObject({
      command: "ADD",
      type: "portmap",
      conf: {
        prevResult: { ips: [{}, {}] },
        runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] },
      },
    });
    expect([...made.host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    await made.driver.programExternalConnectivity?.(external(8080));
    expect(made.calls).toEqual(["ADD bridge", "ADD portmap"]);
    await made.driver.revokeExternalConnectivity?.(ref);
    await made.driver.revokeExternalConnectivity?.(ref);
    expect(made.calls).toEqual(["ADD bridge", "ADD portmap", "DEL portmap"]);
    expect(made.host.held.size).toBe(0);
  });

  test("change while a container runs; what fails leaves those of before", async () => {
    const { made } = await joined();
    await made.driver.programExternalConnectivity?.(external(8080));
    made.answer = ({ command, conf }) =>
      command === "ADD" && conf.runtimeConfig?.portMappings[0].hostPort === 8081
        ? failing(999, "no rule")
        : undefined;
    await expect(made.driver.programExternalConnectivity?.(external(8081))).rejects.toThrow("no rule");
    expect([...made.host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    expect(made.host.records.get("e1")).toMatchObject({ ports: [{ hostPort: 8080 }] });
    expect(made.calls.slice(-3)).toEqual(["ADD portmap", "DEL portmap", "ADD portmap"]);
    await made.driver.programExternalConnectivity?.(external());
    expect(made.calls.at(-1)).toBe("DEL portmap");
    expect(made.host.held.size).toBe(0);
  });

  test("are looked at after a start, and published again where they are gone", async () => {
    const { made } = await joined();
    await made.driver.programExternalConnectivity?.(external(8080));
    made.host.held.clear();
    made.restart();
    await made.driver.programExternalConnectivity?.(external(8080));
    expect(made.calls.at(-1)).toBe("CHECK portmap");
    made.host.held.clear();
    made.restart();
    made.answer = ({ command }) => (command === "CHECK" ? failing(999, "no chain") : undefined);
    await made.driver.programExternalConnectivity?.(external(8080));
    expect(made.calls.slice(-3)).toEqual(["CHECK portmap", "DEL portmap", "ADD portmap"]);
  });

  test("go with a DEL of the endpoint when nobody has closed them", async () => {
    const { made } = await joined();
    await made.driver.programExternalConnectivity?.(external(8080));
    made.restart();
    await made.driver.sweep?.({ networkIds: new Set(["n1"]), endpointIds: new Set() });
    expect(made.calls.slice(-2)).toEqual(["DEL portmap", "DEL bridge"]);
    expect(made.told.at(-2)?.conf.runtimeConfig).toEqual({
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    });
  });

  test("are refused by a chain that publishes none, and are no matter without a wish", async () => {
    const { made } = await joined(list(bridge));
    expect(await made.driver.programExternalConnectivity?.(external())).toEqual([]);
    await expect(made.driver.programExternalConnectivity?.(external(8080))).rejects.toThrow(
      "CNI network cn publishes no ports: its chain (bridge) has no plugin with the capability portMappings",
    );
  });
});

test("options of endpoints that it does not have are refused", async () => {
  const { driver } = await world();
  const check = (driverOpts: Record<string, string>) => () => driver.checkEndpoint?.({ driverOpts });
  expect(
    check({ "tsdocker.cni.args": "A=1;B=2", "com.docker.network.endpoint.ifname": "net0" }),
  ).not.toThrow();
  expect(check({ "tsdocker.cni.args": "A" })).toThrow("is not KEY=value;KEY=value");
  expect(check({ "tsdocker.cni.arg": "A=1" })).toThrow("unknown option tsdocker.cni.arg");
});
