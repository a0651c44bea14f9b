import { describe, expect, it } from "vitest";
import { createRemoteIpam, readIpamCapabilities } from "../../../drivers/ipam-remote/index.ts";
import type { PluginCaller } from "../../../src/driverkit/index.ts";
import { type Address, type Prefix, parseAddress, parseMac, parsePrefix } from "../../../src/netip/index.ts";
import { internal, notImplemented, unavailable } from "../../../src/util/errors.ts";

type Answer = object | Error | ((request: Record<string, unknown>) => object | Promise<object>);

class Plugin implements PluginCaller {
  readonly name = "p";
  readonly calls: { readonly method: string; readonly request: unknown }[] = [];
  readonly #answers: Record<string, Answer>;

  constructor(answers: Record<string, Answer>) {
    this.#answers = answers;
  }

  async call(method: string, request?: object) {
    const sent = request === undefined ? undefined : JSON.parse(JSON.stringify(request));
    this.calls.push({ method, request: sent });
    const answer = this.#answers[method.replace("IpamDriver.", "")];
    if (answer instanceof Error) throw answer;
    if (!answer) throw notImplemented("no such method");
    return (typeof answer === "function" ? await answer(sent) : answer) as Record<string, unknown>;
  }

  get last() {
    return this.calls.at(-1)?.request;
  }
}

const nothing = { requiresMacAddress: false, requiresRequestReplay: false };

function ipamOf(answers: Record<string, Answer>, capabilities = nothing) {
  const plugin = new Plugin(answers);
  return { plugin, ipam: createRemoteIpam(plugin, capabilities) };
}

const poolRequest = { addressSpace: "LocalDefault", family: 4, options: {}, exclude: [] } as const;

describe("what a remote IPAM driver needs", () => {
  it("is read from its answer", async () => {
    const plugin = new Plugin({ GetCapabilities: { RequiresMACAddress: true, RequiresRequestReplay: true } });
    expect(await readIpamCapabilities(plugin)).toEqual({
      requiresMacAddress: true,
      requiresRequestReplay: true,
    });
  });

  it.each([notImplemented("none"), internal("broken")])("is nothing when it does not say", async (error) => {
    expect(await readIpamCapabilities(new Plugin({ GetCapabilities: error }))).toEqual(nothing);
  });

  it("is not known of one that is not there", async () => {
    const plugin = new Plugin({ GetCapabilities: unavailable("not there") });
    await expect(readIpamCapabilities(plugin)).rejects.toMatchObject({ kind: "unavailable" });
  });
});

describe("pools of a remote IPAM driver", () => {
  it("are asked for in the protocol's words", async () => {
    const { ipam, plugin } = ipamOf({ RequestPool: { PoolID: "1", Pool: "10.1.0.0/16" } });
    const request = {
      ...poolRequest,
      pool: prefix("10.1.0.0/16"),
      subPool: prefix("10.1.4.0/24"),
      options: { a: "b" },
    };
    expect(await ipam.requestPool(request)).toEqual({ poolId: "1", pool: prefix("10.1.0.0/16") });
    expect(plugin.last).toEqual({
      AddressSpace: "LocalDefault",
      Pool: "10.1.0.0/16",
      SubPool: "10.1.4.0/24",
      Options: { a: "b" },
      V6: false,
    });
  });

  it("are chosen by the plugin, and may come with their gateway", async () => {
    const Data = { "com.docker.network.gateway": "fd00::1/64" };
    const { ipam, plugin } = ipamOf({ RequestPool: { PoolID: "1", Pool: "fd00::/64", Data } });
    const lease = await ipam.requestPool({ ...poolRequest, family: 6 });
    expect(lease).toEqual({ poolId: "1", pool: prefix("fd00::/64"), gateway: prefix("fd00::1/64") });
    expect(plugin.last).toMatchObject({ Pool: "", SubPool: "", V6: true });
  });

  it("that overlap what the host has are kept until another comes, and given back then", async () => {
    let next = 0;
    const { ipam, plugin } = ipamOf({
      RequestPool: () => ({ PoolID: `${next}`, Pool: `10.${next++}.0.0/16` }),
      ReleasePool: {},
    });
    const exclude = [prefix("10.0.0.0/15")];
    expect(await ipam.requestPool({ ...poolRequest, exclude })).toMatchObject({ poolId: "2" });
    const released = plugin.calls.filter(({ method }) => method === "IpamDriver.ReleasePool");
    expect(released.map(({ request }) => request).toSorted()).toEqual(
      expect.arrayContaining([{ PoolID: "0" }, { PoolID: "1" }]),
    );
  });

  it("that all overlap what the host has are an end", async () => {
    const { ipam, plugin } = ipamOf({ RequestPool: { PoolID: "1", Pool: "10.0.0.0/16" }, ReleasePool: {} });
    const asking = ipam.requestPool({ ...poolRequest, exclude: [prefix("10.0.0.0/8")] });
    await expect(asking).rejects.toMatchObject({ kind: "forbidden" });
    expect(plugin.calls.filter(({ method }) => method === "IpamDriver.ReleasePool")).toHaveLength(64);
  });

  it.each([
    [{ PoolID: "1" }, "Pool"],
    [{ PoolID: "1", Pool: "10.1.0.0" }, "Pool"],
    [{ PoolID: "1", Pool: "10.1.0.0/16", Data: { "com.docker.network.gateway": "10.1.0.1" } }, "gateway"],
    [{ Error: "pools are out" }, "pools are out"],
  ])("are refused when the answer is %j", async (answer, message) => {
    await expect(ipamOf({ RequestPool: answer }).ipam.requestPool(poolRequest)).rejects.toThrow(message);
  });

  it("are of the spaces that the plugin names", async () => {
    const answer = { LocalDefaultAddressSpace: "mine", GlobalDefaultAddressSpace: "ours" };
    const { ipam } = ipamOf({ GetDefaultAddressSpaces: answer });
    expect(await ipam.defaultAddressSpaces()).toEqual({ local: "mine", global: "ours" });
  });
});

describe("addresses of a remote IPAM driver", () => {
  const mac = parseMac("02:42:0a:01:00:05");

  it.each([
    ["gateway", { RequestAddressType: "com.docker.network.gateway" }],
    ["auxiliary", null],
    ["endpoint", { "com.docker.network.endpoint.name": "c1" }],
  ] as const)("say whom they are for: %s", async (purpose, options) => {
    const { ipam, plugin } = ipamOf({ RequestAddress: { Address: "10.1.0.5/16" } });
    const request = { poolId: "1", purpose, endpointName: "c1", ...(mac && { macAddress: mac }) };
    expect(await ipam.requestAddress(request)).toEqual(prefix("10.1.0.5/16"));
    expect(plugin.last).toEqual({ PoolID: "1", Address: "", Options: options });
  });

  it("say the MAC where the plugin needs it", async () => {
    const { ipam, plugin } = ipamOf(
      { RequestAddress: { Address: "10.1.0.5/16" } },
      { ...nothing, requiresMacAddress: true },
    );
    const request = {
      poolId: "1",
      address: address("10.1.0.5"),
      purpose: "endpoint",
      ...(mac && { macAddress: mac }),
    } as const;
    await ipam.requestAddress(request);
    expect(plugin.last).toMatchObject({
      Address: "10.1.0.5",
      Options: { "com.docker.network.endpoint.macaddress": "02:42:0a:01:00:05" },
    });
  });

  it.each([[{}], [{ Address: "10.1.0.5" }], [{ Error: "none left" }]])(
    "are refused when the answer is %j",
    async (answer) => {
      const { ipam } = ipamOf({ RequestAddress: answer });
      await expect(ipam.requestAddress({ poolId: "1", purpose: "endpoint" })).rejects.toThrow(
        "plugin p: IpamDriver.RequestAddress",
      );
    },
  );

  it("are given back, as pools are", async () => {
    const { ipam, plugin } = ipamOf({ ReleaseAddress: {}, ReleasePool: {} });
    await ipam.releaseAddress("1", address("10.1.0.5"));
    await ipam.releasePool("1");
    expect(plugin.calls.map(({ request }) => request)).toEqual([
      { PoolID: "1", Address: "10.1.0.5" },
      { PoolID: "1" },
    ]);
  });
});

it("gives back what it had asked for by name when the answer did not come", async () => {
  const { ipam, plugin } = ipamOf({ RequestAddress: unavailable("broke off"), ReleaseAddress: {} });
  const wish = { poolId: "1", address: address("10.1.0.5"), purpose: "endpoint" } as const;
  await expect(ipam.requestAddress(wish)).rejects.toThrow("broke off");
  expect(plugin.last).toEqual({ PoolID: "1", Address: "10.1.0.5" });
});

describe("a remote IPAM driver that keeps nothing", () => {
  const forgetful = { ...nothing, requiresRequestReplay: true };
  const pool = { ...poolRequest, pool: prefix("10.1.0.0/16"), onRecord: "old" };
  const lease = { poolId: "old", address: address("10.1.0.5"), purpose: "endpoint", onRecord: true } as const;

  it("is told what is on record, whatever it calls the pool now", async () => {
    const { ipam, plugin } = ipamOf(
      { RequestPool: { PoolID: "new", Pool: "10.1.0.0/16" }, RequestAddress: { Address: "10.1.0.5/16" } },
      forgetful,
    );
    expect(await ipam.requestPool(pool)).toEqual({ poolId: "old", pool: prefix("10.1.0.0/16") });
    expect(await ipam.requestAddress(lease)).toEqual(prefix("10.1.0.5/16"));
    await expect.poll(() => plugin.last).toMatchObject({ PoolID: "new", Address: "10.1.0.5" });
  });

  it("hears of it before anything else when it was away", async () => {
    const answers: Record<string, Answer> = {
      RequestPool: unavailable("away"),
      RequestAddress: unavailable("away"),
    };
    const { ipam, plugin } = ipamOf(answers, forgetful);
    // nobody waits for it
    expect(await ipam.requestPool(pool)).toMatchObject({ poolId: "old" });
    expect(await ipam.requestAddress(lease)).toEqual(prefix("10.1.0.5/16"));
    await expect(ipam.requestAddress({ poolId: "old", purpose: "endpoint" })).rejects.toMatchObject({
      kind: "unavailable",
    });
    plugin.calls.length = 0;
    Object.assign(answers, {
      RequestPool: { PoolID: "new", Pool: "10.1.0.0/16" },
      RequestAddress: { Address: "10.1.0.6/16" },
    });
    expect(await ipam.requestAddress({ poolId: "old", purpose: "endpoint" })).toEqual(prefix("10.1.0.6/16"));
    expect(plugin.calls).toMatchObject([
      { method: "IpamDriver.RequestPool", request: { Pool: "10.1.0.0/16" } },
      { method: "IpamDriver.RequestAddress", request: { PoolID: "new", Address: "10.1.0.5" } },
      { method: "IpamDriver.RequestAddress", request: { PoolID: "new", Address: "" } },
    ]);
  });

  it("that hangs keeps no start waiting, and hears of the end of what it may have heard of", async () => {
    const { promise, resolve } = Promise.withResolvers<object>();
    const { ipam, plugin } = ipamOf({ RequestPool: () => promise, ReleasePool: {} }, forgetful);
    expect(await ipam.requestPool(pool)).toMatchObject({ poolId: "old" });
    expect(await ipam.requestAddress(lease)).toEqual(prefix("10.1.0.5/16"));
    await expect.poll(() => plugin.calls).toHaveLength(1);
    // of the address it has not
    await ipam.releaseAddress("old", address("10.1.0.5"));
    await ipam.releasePool("old");
    expect(plugin.calls.map(({ method }) => method)).toEqual([
      "IpamDriver.RequestPool",
      "IpamDriver.ReleasePool",
    ]);
    resolve({ PoolID: "new", Pool: "10.1.0.0/16" });
    await expect.poll(() => plugin.last).toEqual({ PoolID: "new" });
  });

  it("is told all of it again when it was started anew, and nothing that has ended", async () => {
    let life = "1";
    const answers = {
      RequestPool: { PoolID: "10.1", Pool: "10.1.0.0/16" },
      RequestAddress: ({ Address }: Record<string, unknown>) => ({ Address: `${Address || "10.1.0.9"}/16` }),
      ReleaseAddress: {},
    };
    const plugin = Object.assign(new Plugin(answers), { incarnation: async () => life });
    const ipam = createRemoteIpam(plugin, forgetful);
    const { poolId } = await ipam.requestPool({ ...poolRequest, options: { rack: "7" } });
    const ask = (text: string) =>
      ipam.requestAddress({ poolId, address: address(text), purpose: "endpoint", endpointName: "c" });
    await ask("10.1.0.5");
    await ask("10.1.0.6");
    await ipam.releaseAddress(poolId, address("10.1.0.5"));
    plugin.calls.length = 0;
    life = "2";
    await ipam.requestAddress({ poolId, purpose: "endpoint" });
    expect(plugin.calls).toMatchObject([
      { method: "IpamDriver.RequestPool", request: { Pool: "10.1.0.0/16", Options: { rack: "7" } } },
      { method: "IpamDriver.RequestAddress", request: { Address: "10.1.0.6" } },
      { method: "IpamDriver.RequestAddress", request: { Address: "" } },
    ]);
    // what it has not heard of in this life need not end there
    life = "3";
    plugin.calls.length = 0;
    await ipam.releaseAddress(poolId, address("10.1.0.6"));
    expect(plugin.calls).toEqual([]);
  });

  it("is asked again, when it knows all, if it was started anew while it was asked", async () => {
    let life = "1";
    let known = 0;
    const answers: Record<string, Answer> = {
      RequestPool: { PoolID: "10.1", Pool: "10.1.0.0/16" },
      RequestAddress: ({ Address }) => ({ Address: `${Address || `10.1.0.${++known}`}/16` }),
      ReleaseAddress: {},
    };
    const plugin = Object.assign(new Plugin(answers), { incarnation: async () => life });
    const ipam = createRemoteIpam(plugin, forgetful);
    const { poolId } = await ipam.requestPool(poolRequest);
    const wish = { poolId, purpose: "endpoint" } as const;
    expect(await ipam.requestAddress(wish)).toEqual(prefix("10.1.0.1/16"));
    const usual = answers.RequestAddress;
    // the next one hands the same out again
    answers.RequestAddress = () => {
      life = "2";
      answers.RequestAddress = usual ?? {};
      return { Address: "10.1.0.1/16" };
    };
    plugin.calls.length = 0;
    expect(await ipam.requestAddress(wish)).toEqual(prefix("10.1.0.2/16"));
    expect(plugin.calls.map(({ method }) => method.replace("IpamDriver.", ""))).toEqual([
      "RequestAddress",
      "ReleaseAddress",
      "RequestPool",
      "RequestAddress",
      "RequestAddress",
    ]);
    // and one after that knows no pool
    answers.RequestAddress = () => {
      life = "3";
      answers.RequestAddress = usual ?? {};
      return { Error: "there is no such pool" };
    };
    expect(await ipam.requestAddress(wish)).toEqual(prefix("10.1.0.3/16"));
  });

  it("may refuse what it had given, which stops nothing else", async () => {
    const answers: Record<string, Answer> = { RequestPool: unavailable("away"), ReleasePool: {} };
    const { ipam } = ipamOf(answers, forgetful);
    await ipam.requestPool(pool);
    answers.RequestPool = { Error: "taken" };
    await ipam.releasePool("old");
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
