// Drivers that are somebody else's code: each call ends, with an answer that makes sense or an error that names the driver.

import { EventEmitter } from "node:events";
import { describe, expect, test } from "vitest";
import { call } from "../../../../src/daemon/loaded-drivers/call.ts";
import { guardNetworkDriver } from "../../../../src/daemon/loaded-drivers/guarded-driver.ts";
import { guardIpamDriver } from "../../../../src/daemon/loaded-drivers/guarded-ipam.ts";
import { hearStrayErrors } from "../../../../src/daemon/loaded-drivers/stray-errors.ts";
import type { ClusterAccess, IpamDriver, NetworkDriver } from "../../../../src/driverapi/index.ts";
import { errorKind } from "../../../../src/util/errors.ts";
import { ipamDriver, limits, networkDriver, notedLog, prefix } from "./fakes.ts";

const never = () => new Promise<never>(() => undefined);

function guarded(members: Partial<NetworkDriver>) {
  const { log, lines } = notedLog();
  return { driver: guardNetworkDriver(networkDriver(members), { name: "wire", limits, log }), lines };
}

const guardedIpam = (members: Partial<IpamDriver>) =>
  guardIpamDriver(ipamDriver(members), { name: "pool", limits, log: notedLog().log });

/** For answers that no type allows. */
const lie = (answer: unknown) => async () => answer as never;
const ref = { networkId: "n", endpointId: "e" };
const joining = { ...ref, sandboxKey: "/s", freeIndex: 2, suggestedName: "eth0" };

describe("a call that fails", () => {
  test.each([
    [
      "throws at once",
      () => {
        throw new Error("no wire");
      },
      "no wire",
    ],
    ["rejects", () => Promise.reject(new Error("no wire")), "no wire"],
    ["rejects with text", () => Promise.reject("no wire"), "no wire"],
    ["rejects with an object", () => Promise.reject({ code: 7 }), "it threw { code: 7 }"],
    ["rejects with nothing", () => Promise.reject(undefined), "it threw undefined"],
    ["rejects without a word", () => Promise.reject(new Error()), "it failed without a word"],
    ["never ends", never, "no answer within 0.05 s"],
  ])("because the driver %s says whose and which it was", async (_, deleteNetwork, words) => {
    const { driver } = guarded({ deleteNetwork });
    await expect(driver.deleteNetwork({ networkId: "n" })).rejects.toThrow(
      `driver wire: deleteNetwork: ${words}`,
    );
  });

  test("keeps the kind of error that the driver gave it, whosever class that is", async () => {
    const kindOf = async (thrown: unknown) => {
      const { driver } = guarded({ deleteNetwork: () => Promise.reject(thrown) });
      return await driver.deleteNetwork({ networkId: "n" }).catch(errorKind);
    };
    expect(await kindOf(Object.assign(new Error("no"), { kind: "forbidden" }))).toBe("forbidden");
    expect(await kindOf(Object.assign(new Error("no"), { kind: "nonsense" }))).toBe("internal");
    expect(await kindOf(new Error("no"))).toBe("internal");
  });

  test("may be made again", async () => {
    let calls = 0;
    const { driver } = guarded({ deleteNetwork: () => (calls++ === 0 ? never() : Promise.resolve()) });
    await expect(driver.deleteNetwork({ networkId: "n" })).rejects.toThrow("no answer");
    await driver.deleteNetwork({ networkId: "n" });
  });
});

describe("an answer that makes no sense", () => {
  test.each([
    [undefined, "the answer is undefined, not an object"],
    [{ link: {} }, "link.srcName is undefined, not text"],
    [{ gateway: "10.0.0.1" }, "gateway is '10.0.0.1', not an IPv4 address (parseAddress)"],
    [
      { gatewayIpv6: { family: 4, value: 1n } },
      "gatewayIpv6 is { family: 4, value: 1n }, not an IPv6 address",
    ],
    [{ staticRoutes: [{}] }, "staticRoutes[0].destination is undefined, not an address with its length"],
    [{ staticRoutes: "none" }, "staticRoutes is 'none', not a list"],
  ])("fails a join: %o", async (answer, words) => {
    const { driver } = guarded({ join: lie(answer) });
    await expect(driver.join(joining)).rejects.toThrow(`driver wire: join: ${words}`);
  });

  test("fails an endpoint", async () => {
    const request = {
      ...ref,
      interface: {},
      options: { exposedPorts: [], portBindings: [], dnsServers: [], driverOpts: {} },
    };
    const { driver } = guarded({ createEndpoint: lie({ address: prefix("2001:db8::1/64") }) });
    await expect(driver.createEndpoint(request)).rejects.toThrow("address is");
    const silent = guarded({ createEndpoint: lie(undefined) });
    await expect(silent.driver.createEndpoint(request)).rejects.toThrow("the answer is undefined");
  });

  test("fails a lease", async () => {
    const request = { addressSpace: "l", family: 4, options: {}, exclude: [] } as const;
    await expect(guardedIpam({ requestPool: lie({ poolId: "p" }) }).requestPool(request)).rejects.toThrow(
      "driver pool: requestPool: pool is undefined",
    );
    await expect(
      guardedIpam({ requestAddress: lie("10.0.0.1") }).requestAddress({ poolId: "p", purpose: "endpoint" }),
    ).rejects.toThrow("not an address with its length");
  });

  test("is none where something was left out that has an obvious value", async () => {
    const { driver } = guarded({ join: lie({}), programExternalConnectivity: lie(undefined) });
    expect(await driver.join(joining)).toEqual({ staticRoutes: [], disableGatewayService: false });
    const ports = {
      ...ref,
      gateways: { ipv4: true, ipv6: true },
      ipv6Elsewhere: false,
      portBindings: [],
      exposedPorts: [],
    };
    expect(await driver.programExternalConnectivity?.(ports)).toEqual([]);
  });
});

describe("what all networks depend on", () => {
  test("does without a driver that fails in it, and says so in the log", async () => {
    const fail = () => {
      throw new Error("no wire");
    };
    const { driver, lines } = guarded({
      sweep: fail,
      settle: never,
      followUplink: fail,
      effectiveOptions: fail,
      peers: fail,
    });
    await driver.sweep?.({ networkIds: new Set(), endpointIds: new Set() });
    await driver.settle?.();
    expect(await driver.followUplink?.()).toEqual([]);
    expect(await driver.effectiveOptions?.({ networkId: "n" })).toEqual({});
    expect(driver.peers?.({ networkId: "n" })).toEqual([]);
    expect(lines).toHaveLength(5);
    expect(lines[0]).toContain("a driver failed in sweep");
    const pool = guardedIpam({ usage: fail });
    expect(await pool.usage?.("p")).toEqual({ inUse: 0n, available: 0n });
  });

  test("does without its part in a cluster", async () => {
    const { driver } = guarded({ enterCluster: () => Promise.reject(new Error("no wire")) });
    const stay = await driver.enterCluster?.({} as ClusterAccess);
    expect([stay?.paths(), stay?.lacks?.()]).toEqual([[], []]);
    await stay?.end({ leaves: true });
  });
});

test("a driver has the methods that it has, is called on itself, and bears the name that the operator gave it", async () => {
  class Wire {
    readonly #mark = "own";
    readonly capabilities = networkDriver().capabilities;
    readonly calls: string[] = [];
    async createNetwork() {
      this.calls.push(this.#mark);
    }
  }
  const wire = new Wire();
  const { log } = notedLog();
  const driver = guardNetworkDriver(
    Object.assign(wire, { ...networkDriver(), createNetwork: wire.createNetwork }),
    {
      name: "wire",
      limits,
      log,
    },
  );
  expect([driver.name, driver.setLinks, driver.sweep]).toEqual(["wire", undefined, undefined]);
  await driver.createNetwork({} as never);
  expect(wire.calls).toEqual(["own"]);
});

describe("an error that nobody waits for", () => {
  test("is the driver's whose code was running, also in a timer of its own", async () => {
    const source = new EventEmitter();
    const { log, lines } = notedLog();
    const ends: string[] = [];
    const stop = hearStrayErrors(source, log, (stack) => ends.push(stack));
    await new Promise<void>((done) => {
      void call({ driver: "wire", method: "join" }, 50, () => {
        setTimeout(() => {
          source.emit("uncaughtException", new Error("late"));
          source.emit("unhandledRejection", 5);
          done();
        }, 1);
      });
    });
    expect(lines[0]).toContain('a driver failed where nobody waits for it {"driver":"wire","reason":"late"');
    expect(lines[1]).toContain('"driver":"wire","reason":"it threw 5"');
    expect(ends).toEqual([]);
    source.emit("uncaughtException", new Error("ours"));
    expect(ends[0]).toContain("ours");
    stop();
    expect(source.eventNames()).toEqual([]);
  });
});
