// A driver behind a socket and a remote driver before it: what goes in at one end comes out at the other.

import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRemoteIpam, readIpamCapabilities } from "../../../drivers/ipam-remote/index.ts";
import { createRemoteDriver, readCapabilities } from "../../../drivers/remote/index.ts";
import type { IpamDriver, NetworkDriver } from "../../../src/driverapi/index.ts";
import { type ServedDriver, servePlugin } from "../../../src/driverkit/index.ts";
import {
  type Address,
  type Mac,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
} from "../../../src/netip/index.ts";
import { Plugins } from "../../../src/plugins/index.ts";
import { forbidden, invalid } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";

let folder: string;
let plugins: Plugins;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "serve-"));
  plugins = new Plugins({ folders: { sockets: folder, specs: [] }, patienceMs: 0, log: silentLog });
});

afterEach(async () => {
  plugins.close();
  await rm(folder, { recursive: true });
});

const socketOf = (name: string) => join(folder, `${name}.sock`);
const serve = (driver: ServedDriver) => servePlugin(driver, { on: socketOf("p") });

const networkId = "a".repeat(64);
const ref = { networkId, endpointId: "b".repeat(64) };
const endpointOptions = {
  exposedPorts: [{ protocol: "tcp", port: 80 }],
  portBindings: [
    {
      protocol: "tcp",
      containerPort: 80,
      hostAddress: address("127.0.0.1"),
      hostPorts: { first: 8080, last: 8080 },
    },
    { protocol: "udp", containerPort: 53 },
  ],
  dnsServers: [address("9.9.9.9")],
  macAddress: mac("02:42:0a:01:00:05"),
  driverOpts: { "com.example.speed": "fast" },
} as const;

/** Notes every call; says nothing of its own. */
function recorder(answers: Partial<NetworkDriver> = {}) {
  const calls: unknown[][] = [];
  const note =
    <T>(name: string, answer: T) =>
    async (asked: unknown) => {
      calls.push([name, asked]);
      return answer;
    };
  const driver: NetworkDriver = {
    name: "recorder",
    capabilities: { scope: "local", connectivityScope: "global", replay: false },
    checkGateway: note("checkGateway", { skipIpv4: true, skipIpv6: false }),
    createNetwork: note("createNetwork", undefined),
    deleteNetwork: note("deleteNetwork", undefined),
    createEndpoint: note("createEndpoint", { macAddress: mac("02:42:00:00:00:09") }),
    deleteEndpoint: note("deleteEndpoint", undefined),
    join: note("join", {
      link: { srcName: "veth1", dstPrefix: "net" },
      gateway: address("10.1.0.1"),
      gatewayIpv6: address("fd00::1"),
      staticRoutes: [
        { destination: prefix("10.2.0.0/16"), nextHop: address("10.1.0.9") },
        { destination: prefix("10.3.0.0/16") },
      ],
      disableGatewayService: true,
    }),
    leave: note("leave", undefined),
    programExternalConnectivity: note("programExternalConnectivity", []),
    revokeExternalConnectivity: note("revokeExternalConnectivity", undefined),
    ...answers,
  };
  return { calls, driver };
}

async function remote(): Promise<NetworkDriver> {
  const caller = plugins.caller("p");
  return createRemoteDriver(caller, await readCapabilities(caller));
}

describe("a network driver behind a socket", () => {
  it("says what it is and what it can do", async () => {
    await using _ = await serve({ network: recorder().driver });
    expect(await plugins.find("p")).toEqual({ name: "p", kinds: new Set(["NetworkDriver"]) });
    expect((await remote()).capabilities).toEqual({
      scope: "local",
      connectivityScope: "global",
      replay: false,
    });
  });

  it("hears of networks as they were meant", async () => {
    const { driver, calls } = recorder();
    await using _ = await serve({ network: driver });
    const pool = {
      addressSpace: "LocalDefault",
      pool: prefix("10.1.0.0/16"),
      gateway: prefix("10.1.0.1/16"),
      auxAddresses: { router: prefix("10.1.0.2/16") },
    };
    const pool6 = { addressSpace: "LocalDefault", pool: prefix("fd00::/64"), auxAddresses: {} };
    const options = { enableIpv4: true, enableIpv6: true, internal: true, generic: { a: "b" } };
    const far = await remote();
    expect(await far.checkGateway?.(options)).toEqual({ skipIpv4: true, skipIpv6: false });
    await far.createNetwork({ networkId, networkName: "n", options, ipv4Data: [pool], ipv6Data: [pool6] });
    await far.deleteNetwork({ networkId });
    expect(calls).toEqual([
      ["checkGateway", options],
      [
        "createNetwork",
        { networkId, networkName: "a".repeat(12), options, ipv4Data: [pool], ipv6Data: [pool6] },
      ],
      ["deleteNetwork", { networkId }],
    ]);
  });

  it("hears of a network without IPv4", async () => {
    const { driver, calls } = recorder();
    await using _ = await serve({ network: driver });
    const options = { enableIpv4: false, enableIpv6: true, internal: false, generic: {} };
    await (await remote()).createNetwork({
      networkId,
      networkName: "n",
      options,
      ipv4Data: [],
      ipv6Data: [],
    });
    expect(calls[0]?.[1]).toMatchObject({ options });
  });

  it("hears of endpoints as they were meant, and is heard", async () => {
    const { driver, calls } = recorder();
    await using _ = await serve({ network: driver });
    const far = await remote();
    const { macAddress: __, ...options } = endpointOptions;
    const asked = { address: prefix("10.1.0.5/16") };
    const made = await far.createEndpoint({ ...ref, interface: asked, options });
    expect(made).toEqual({ ...asked, macAddress: mac("02:42:00:00:00:09") });
    const joined = await far.join({ ...ref, sandboxKey: "/run/x", freeIndex: 4, suggestedName: "eth0" });
    expect(joined).toEqual({
      link: { srcName: "veth1", dstPrefix: "net" },
      gateway: address("10.1.0.1"),
      gatewayIpv6: address("fd00::1"),
      staticRoutes: [
        { destination: prefix("10.2.0.0/16"), nextHop: address("10.1.0.9") },
        { destination: prefix("10.3.0.0/16") },
      ],
      disableGatewayService: true,
    });
    const external = {
      ...ref,
      gateways: { ipv4: true, ipv6: false },
      ipv6Elsewhere: true,
      exposedPorts: options.exposedPorts,
      portBindings: options.portBindings,
    };
    await far.programExternalConnectivity?.(external);
    await far.revokeExternalConnectivity?.(ref);
    await far.leave(ref);
    await far.deleteEndpoint(ref);
    expect(calls).toEqual([
      ["createEndpoint", { ...ref, interface: asked, options }],
      ["join", { ...ref, sandboxKey: "/run/x", freeIndex: 0, suggestedName: "" }],
      ["programExternalConnectivity", external],
      ["revokeExternalConnectivity", ref],
      ["leave", ref],
      ["deleteEndpoint", ref],
    ]);
  });

  it("tells which host ports it chose, as long as they are open", async () => {
    const port = {
      protocol: "tcp",
      containerPort: 80,
      hostAddress: address("0.0.0.0"),
      hostPort: 32768,
    } as const;
    const own = { ...port, containerPort: 81, hostAddress: address("::1"), hostPort: 81 };
    const { driver } = recorder({
      programExternalConnectivity: async () => [{ ...port, count: 2 }],
      publishedPorts: async () => [own],
    });
    await using _ = await serve({ network: driver });
    const far = await remote();
    expect(await far.publishedPorts?.(ref)).toEqual([own]);
    const gateways = { ipv4: true, ipv6: true };
    const request = { ...ref, gateways, ipv6Elsewhere: false, exposedPorts: [], portBindings: [] };
    expect(await far.programExternalConnectivity?.(request)).toEqual([]);
    const second = { ...port, containerPort: 81, hostPort: 32769 };
    expect(await far.publishedPorts?.(ref)).toEqual([port, second, own]);
    await far.revokeExternalConnectivity?.(ref);
    expect(await far.publishedPorts?.(ref)).toEqual([own]);
  });

  it("hears of a MAC that the user chose, and does not answer it back", async () => {
    const { driver, calls } = recorder();
    await using _ = await serve({ network: driver });
    const asked = { macAddress: endpointOptions.macAddress };
    const made = await (await remote()).createEndpoint({
      ...ref,
      interface: asked,
      options: endpointOptions,
    });
    expect(made).toEqual(asked);
    expect(calls[0]?.[1]).toEqual({ ...ref, interface: asked, options: endpointOptions });
  });

  it("that throws refuses in its own words, and nothing else ends", async () => {
    const { driver } = recorder({
      createNetwork: async () => {
        throw invalid("option a: not a number");
      },
    });
    await using _ = await serve({ network: driver });
    const far = await remote();
    const options = { enableIpv4: true, enableIpv6: false, internal: false, generic: {} };
    await expect(
      far.createNetwork({ networkId, networkName: "n", options, ipv4Data: [], ipv6Data: [] }),
    ).rejects.toThrow("plugin p: NetworkDriver.CreateNetwork: option a: not a number");
    await far.leave(ref);
  });

  it("need not have what came later", async () => {
    const {
      programExternalConnectivity: _,
      revokeExternalConnectivity: __,
      checkGateway: ___,
      ...driver
    } = recorder().driver;
    await using ____ = await serve({ network: driver });
    const far = await remote();
    expect(far.checkGateway).toBeUndefined();
    await far.revokeExternalConnectivity?.(ref);
  });

  it("must leave its link to whoever called it", async () => {
    const { driver } = recorder({
      join: async () => ({
        link: { srcName: "v", dstPrefix: "eth", indexInSandbox: 4 },
        staticRoutes: [],
        disableGatewayService: false,
      }),
    });
    await using _ = await serve({ network: driver });
    const joining = (await remote()).join({ ...ref, sandboxKey: "/x", freeIndex: 4, suggestedName: "eth0" });
    await expect(joining).rejects.toThrow("leaves its link in the host's namespace");
  });
});

describe("an IPAM driver behind a socket", () => {
  const leased: unknown[] = [];
  const ipam: IpamDriver = {
    name: "far",
    capabilities: { requiresMacAddress: true, requiresRequestReplay: false },
    defaultAddressSpaces: async () => ({ local: "mine", global: "ours" }),
    requestPool: async (asked) => {
      leased.push(asked);
      return { poolId: "1", pool: prefix("10.1.0.0/16"), gateway: prefix("10.1.0.1/16") };
    },
    releasePool: async (id) => void leased.push(["pool", id]),
    requestAddress: async (asked) => {
      leased.push(asked);
      if (asked.purpose === "auxiliary") throw forbidden("in use");
      return prefix("10.1.0.5/16");
    },
    releaseAddress: async (id, given) => void leased.push([id, given]),
  };

  it("hands out what it was asked for", async () => {
    await using _ = await serve({ ipam });
    const caller = plugins.caller("p");
    const far = createRemoteIpam(caller, await readIpamCapabilities(caller));
    expect(far.capabilities).toEqual(ipam.capabilities);
    expect(await far.defaultAddressSpaces()).toEqual({ local: "mine", global: "ours" });
    const pool = {
      addressSpace: "mine",
      family: 4,
      pool: prefix("10.1.0.0/16"),
      options: { a: "b" },
      exclude: [],
    } as const;
    expect(await far.requestPool(pool)).toEqual({
      poolId: "1",
      pool: prefix("10.1.0.0/16"),
      gateway: prefix("10.1.0.1/16"),
    });
    const mine = {
      poolId: "1",
      purpose: "endpoint",
      endpointName: "c1",
      macAddress: endpointOptions.macAddress,
    } as const;
    expect(await far.requestAddress(mine)).toEqual(prefix("10.1.0.5/16"));
    const gateway = { poolId: "1", purpose: "gateway", address: address("10.1.0.1") } as const;
    await far.requestAddress(gateway);
    const auxiliary = { poolId: "1", purpose: "auxiliary", address: address("10.1.0.9") } as const;
    await expect(far.requestAddress(auxiliary)).rejects.toThrow("in use");
    await far.releaseAddress("1", address("10.1.0.5"));
    await far.releasePool("1");
    expect(leased).toEqual([pool, mine, gateway, auxiliary, ["1", address("10.1.0.5")], ["pool", "1"]]);
  });
});

describe("the socket", () => {
  it("is root's alone, replaces one that was left behind, and goes in the end", async () => {
    await writeFile(socketOf("p"), "");
    const served = await serve({ network: recorder().driver });
    expect((await stat(socketOf("p"))).mode & 0o777).toBe(0o600);
    await served.close();
    await expect(stat(socketOf("p"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is not taken from one that listens", async () => {
    await using _ = await serve({ network: recorder().driver });
    await expect(serve({ network: recorder().driver })).rejects.toMatchObject({ kind: "conflict" });
  });

  it("may be a port", async () => {
    await using served = await servePlugin(
      { network: recorder().driver },
      { on: { host: "127.0.0.1", port: 0 } },
    );
    expect(served.port).toBeGreaterThan(0);
  });

  it("is nothing's that is no driver", async () => {
    await expect(serve({})).rejects.toMatchObject({ kind: "invalid" });
  });

  it.each([
    ["POST", "/NetworkDriver.Fly", "", 404],
    ["GET", "/Plugin.Activate", "", 404],
    ["POST", "/NetworkDriver.Leave", "{", 400],
    ["POST", "/NetworkDriver.Leave", "[]", 400],
    ["POST", "/__proto__", "", 404],
    ["POST", "/NetworkDriver.Leave", '{"NetworkID":7}', 500],
  ])("answers %s %s %j with an error in JSON", async (method, path, body, expected) => {
    await using _ = await serve({ network: recorder().driver });
    const { status, text } = await send(method, path, body);
    expect(status).toBe(expected);
    expect(JSON.parse(text).Err).toEqual(expect.any(String));
  });
});

function send(method: string, path: string, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: socketOf("p"), method, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asking.once("error", reject);
    asking.end(body);
  });
}

function prefix(text: string): Prefix {
  return known(parsePrefix(text), text);
}

function address(text: string): Address {
  return known(parseAddress(text), text);
}

function mac(text: string): Mac {
  return known(parseMac(text), text);
}

function known<T>(value: T | undefined, text: string): T {
  if (value === undefined) throw new Error(`cannot read ${text}`);
  return value;
}
