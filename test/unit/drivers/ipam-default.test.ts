// The default IPAM driver: pools, addresses, and that no two requests get the same.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import type { IpamDriver, PoolRequest } from "../../../src/driverapi/index.ts";
import {
  type Address,
  formatAddress,
  formatPrefix,
  prefixContains,
  prefixesOverlap,
} from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";

const create = (...pools: [base: string, size: number][]) =>
  createDefaultIpam({
    defaultPools: pools.map(([base, size]) => ({ base: prefix(base), size })),
    hostId: "host",
  });

interface Wish {
  readonly pool?: string;
  readonly range?: string;
  readonly family?: 4 | 6;
  readonly exclude?: readonly string[];
  readonly space?: string;
}

function request({
  pool,
  range,
  family = pool?.includes(":") ? 6 : 4,
  exclude = [],
  space = "LocalDefault",
}: Wish): PoolRequest {
  return {
    addressSpace: space,
    family,
    ...(pool && { pool: prefix(pool) }),
    ...(range && { subPool: prefix(range) }),
    options: {},
    exclude: exclude.map(prefix),
  };
}

const pool = async (ipam: IpamDriver, wish: Wish = {}) => await ipam.requestPool(request(wish));
const poolText = async (ipam: IpamDriver, wish: Wish = {}) => formatPrefix((await pool(ipam, wish)).pool);

async function next(ipam: IpamDriver, poolId: string, wanted?: string): Promise<string> {
  const leased = await ipam.requestAddress({
    poolId,
    purpose: "endpoint",
    ...(wanted && { address: address(wanted) }),
  });
  return formatPrefix(leased);
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? `${errorKind(error)}: ${error.message}` : "no failure";
}

describe("pools that the driver chooses", () => {
  test("are Docker's 31, in order, and then 65,536 more", async () => {
    const ipam = create();
    const all = [];
    for (let count = 0; count < 31; count++) all.push(await poolText(ipam));
    const sixteens = Array.from({ length: 15 }, (_, at) => `172.${17 + at}.0.0/16`);
    const twenties = Array.from({ length: 16 }, (_, at) => `192.168.${16 * at}.0/20`);
    expect(all).toEqual([...sixteens, ...twenties]);
    expect([await poolText(ipam), await poolText(ipam)]).toEqual(["10.0.0.0/24", "10.0.1.0/24"]);
  });

  test("run out with a message that says who has them, and the line that gives more", async () => {
    const ipam = create(["10.9.0.0/24", 26], ["10.8.0.0/24", 24]);
    for (const networkName of ["web", "db", "queue"])
      await ipam.requestPool({ ...request({ exclude: ["10.8.0.0/25", "10.0.0.0/16"] }), networkName });
    await ipam.requestPool({ ...request({ pool: "10.9.0.192/26" }), networkName: "mine" });
    expect(await failure(pool(ipam, { exclude: ["10.8.0.0/25", "10.0.0.0/16"] }))).toBe(
      "invalid: all predefined address pools have been fully subnetted: " +
        "10.9.0.0/24 in /26 is used by 4 networks (web, db, queue, mine); " +
        "10.8.0.0/24 in /24 is used by no network and by what the host itself reaches. " +
        "Remove networks that are not used, or give more room in daemon.json: " +
        '"default-address-pools": [{"base": "10.9.0.0/24", "size": 26}, {"base": "10.8.0.0/24", "size": 24}, ' +
        '{"base": "10.1.0.0/16", "size": 24}]',
    );
  });

  test("of IPv6 run out with a line that gives more, too", async () => {
    const ipam = create(["2001:db8::/64", 64]);
    await pool(ipam, { family: 6 });
    expect(await failure(pool(ipam, { family: 6 }))).toMatch(
      /"default-address-pools": \[\{"base": "2001:db8::\/64", "size": 64\}, \{"base": "fd.*::\/48", "size": 64\}\]$/,
    );
  });

  test("that the host's routes cut are searched anew when the routes change, and not before", async () => {
    const ipam = create(["10.0.0.0/16", 24]);
    const exclude = ["10.0.0.0/22", "10.0.1.0/24"];
    expect(await poolText(ipam, { exclude })).toBe("10.0.4.0/24");
    expect(await poolText(ipam, { exclude })).toBe("10.0.5.0/24");
    expect(await poolText(ipam, { exclude: ["10.0.1.0/24"] })).toBe("10.0.0.0/24");
    expect(await poolText(ipam, { exclude: ["10.0.1.0/24"] })).toBe("10.0.2.0/24");
  });

  test("fill the first gap that one left", async () => {
    const ipam = create();
    const leases = [await pool(ipam), await pool(ipam), await pool(ipam)];
    await ipam.releasePool(leases[1]?.poolId ?? "");
    expect(await poolText(ipam)).toBe("172.18.0.0/16");
    expect(await poolText(ipam)).toBe("172.20.0.0/16");
  });

  test("keep clear of the host's networks, whatever their size, and come back when those go", async () => {
    const ipam = create();
    expect(await poolText(ipam, { exclude: ["172.17.3.0/24", "172.18.0.1/32", "172.16.0.0/12"] })).toBe(
      "192.168.0.0/20",
    );
    expect(await poolText(ipam, { exclude: ["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/9"] })).toBe(
      "10.128.0.0/24",
    );
    expect(await poolText(ipam, { exclude: ["172.17.3.0/24"] })).toBe("172.18.0.0/16");
    expect(await poolText(ipam)).toBe("172.17.0.0/16");
  });

  test("keep clear of subnets that users chose", async () => {
    const ipam = create();
    await pool(ipam, { pool: "172.17.5.0/24" });
    await pool(ipam, { pool: "172.16.0.0/15" }).catch(() => undefined);
    expect(await poolText(ipam)).toBe("172.18.0.0/16");
  });

  test("are the operator's where there are some, by family", async () => {
    const ipam = create(["10.10.0.0/16", 24]);
    expect([await poolText(ipam), await poolText(ipam)]).toEqual(["10.10.0.0/24", "10.10.1.0/24"]);
    expect(await poolText(ipam, { family: 6 })).toMatch(/^fd[0-9a-f]{2}:.*::\/64$/);
    const with6 = create(["2001:db8::/48", 64]);
    expect(await poolText(with6, { family: 6 })).toBe("2001:db8::/64");
    expect(await poolText(with6, { family: 6 })).toBe("2001:db8:0:1::/64");
    expect(await poolText(with6)).toBe("172.17.0.0/16");
  });

  test("of IPv6 are a host's own and stay the same", async () => {
    const of = (hostId: string) => poolText(createDefaultIpam({ defaultPools: [], hostId }), { family: 6 });
    expect(await of("a")).toBe(await of("a"));
    expect(await of("a")).not.toBe(await of("b"));
  });

  test("can be had by size alone", async () => {
    const ipam = create();
    expect(await poolText(ipam, { pool: "0.0.0.0/24" })).toBe("172.17.0.0/24");
    expect(await poolText(ipam, { pool: "0.0.0.0/24" })).toBe("172.17.1.0/24");
    expect(await poolText(ipam)).toBe("172.18.0.0/16");
    expect(await poolText(ipam, { pool: "::/80" })).toMatch(/\/80$/);
  });

  test("of networks that span hosts come from 10.0.0.0/8", async () => {
    expect(await poolText(create(), { space: "GlobalDefault" })).toBe("10.0.0.0/24");
  });

  test("can be four thousand", async () => {
    const ipam = create();
    const exclude = ["172.17.0.0/24", "10.0.7.0/24", "10.1.0.0/16"];
    const leases = [];
    for (let count = 0; count < 5000; count++) leases.push(await pool(ipam, { exclude }));
    expect(new Set(leases.map(({ poolId }) => poolId)).size).toBe(5000);
    await ipam.releasePool(leases[0]?.poolId ?? "");
    expect(await poolText(ipam, { exclude })).toBe("172.18.0.0/16");
  });
});

describe("a pool that the user chose", () => {
  test("is refused when it overlaps another", async () => {
    const ipam = create();
    await pool(ipam, { pool: "10.1.0.0/16" });
    for (const text of ["10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8"])
      expect(await failure(pool(ipam, { pool: text }))).toBe(
        "forbidden: Pool overlaps with other one on this address space",
      );
    expect(await poolText(ipam, { pool: "10.2.0.0/16" })).toBe("10.2.0.0/16");
  });

  test("may be shared by ranges that do not overlap, and then has one set of addresses", async () => {
    const ipam = create();
    const low = await pool(ipam, { pool: "10.1.0.0/24", range: "10.1.0.0/25" });
    const high = await pool(ipam, { pool: "10.1.0.0/24", range: "10.1.0.128/25" });
    expect(low.poolId).not.toBe(high.poolId);
    expect(await next(ipam, low.poolId)).toBe("10.1.0.1/24");
    expect(await next(ipam, high.poolId)).toBe("10.1.0.128/24");
    expect(await failure(next(ipam, high.poolId, "10.1.0.1"))).toBe("forbidden: Address already in use");
    expect(await failure(pool(ipam, { pool: "10.1.0.0/24", range: "10.1.0.64/26" }))).toMatch(
      /^forbidden: Pool overlaps/,
    );
    expect(await failure(pool(ipam, { pool: "10.1.0.0/24" }))).toMatch(/^forbidden: Pool overlaps/);
    await ipam.releasePool(low.poolId);
    expect(await failure(pool(ipam, { pool: "10.1.0.0/25" }))).toMatch(/^forbidden: Pool overlaps/);
    await ipam.releasePool(high.poolId);
    expect(await poolText(ipam, { pool: "10.1.0.0/25" })).toBe("10.1.0.0/25");
  });

  test.each([
    [{ pool: "10.1.0.9/24" }, "invalid address pool"],
    [{ pool: "0.0.0.0/0" }, "invalid address pool"],
    [{ pool: "10.1.0.0/24", family: 6 as const }, "invalid address pool"],
    [{ pool: "10.1.0.0/24", range: "10.2.0.0/25" }, "invalid address subpool"],
    [{ range: "10.2.0.0/25" }, "invalid address subpool"],
    [{ space: "nowhere" }, "invalid address space"],
  ])("that is %j is refused", async (wish, message) => {
    expect(await failure(pool(create(), wish))).toBe(`invalid: ${message}`);
  });
});

describe("addresses", () => {
  test("go up and start again at the end; a freed one waits for its turn", async () => {
    const ipam = create();
    const { poolId } = await pool(ipam, { pool: "10.1.0.0/29" });
    const six = [];
    for (let count = 0; count < 6; count++) six.push(await next(ipam, poolId));
    expect(six).toEqual([1, 2, 3, 4, 5, 6].map((host) => `10.1.0.${host}/29`));
    expect(await failure(next(ipam, poolId))).toBe("unavailable: no available addresses on this pool");
    for (const host of [2, 5]) await ipam.releaseAddress(poolId, address(`10.1.0.${host}`));
    expect([await next(ipam, poolId), await next(ipam, poolId)]).toEqual(["10.1.0.2/29", "10.1.0.5/29"]);
    await ipam.releaseAddress(poolId, address("10.1.0.5"));
    await ipam.releaseAddress(poolId, address("10.1.0.6"));
    expect(await next(ipam, poolId)).toBe("10.1.0.6/29");
  });

  test("that are asked for may lie outside the range, and are refused when taken, reserved or outside the subnet", async () => {
    const ipam = create();
    const { poolId } = await pool(ipam, { pool: "10.1.0.0/24", range: "10.1.0.128/25" });
    expect(await next(ipam, poolId, "10.1.0.7")).toBe("10.1.0.7/24");
    expect(await failure(next(ipam, poolId, "10.1.0.7"))).toBe("forbidden: Address already in use");
    for (const wrong of ["10.1.0.0", "10.1.0.255", "10.2.0.1", "2001:db8::1"])
      expect(await failure(next(ipam, poolId, wrong))).toBe("invalid: requested address is out of range");
  });

  test("of the smallest subnets are all usable", async () => {
    const ipam = create();
    const pair = await pool(ipam, { pool: "10.1.0.0/31" });
    expect([await next(ipam, pair.poolId), await next(ipam, pair.poolId)]).toEqual([
      "10.1.0.0/31",
      "10.1.0.1/31",
    ]);
    const single = await pool(ipam, { pool: "10.2.0.0/32" });
    expect(await next(ipam, single.poolId)).toBe("10.2.0.0/32");
    const pair6 = await pool(ipam, { pool: "2001:db8::/127" });
    expect([await next(ipam, pair6.poolId), await next(ipam, pair6.poolId)]).toEqual([
      "2001:db8::/127",
      "2001:db8::1/127",
    ]);
    const four6 = await pool(ipam, { pool: "2001:db8:1::/126" });
    expect(await next(ipam, four6.poolId)).toBe("2001:db8:1::1/126");
  });

  test("may be released when they are not leased, and of a pool that is gone", async () => {
    const ipam = create();
    const { poolId } = await pool(ipam);
    await ipam.releaseAddress(poolId, address("172.17.0.9"));
    await ipam.releasePool(poolId);
    await ipam.releasePool(poolId);
    await ipam.releaseAddress(poolId, address("172.17.0.9"));
    expect(await failure(next(ipam, poolId))).toBe(
      "invalid: address space does not contain specified address pool",
    );
  });

  test("are counted", async () => {
    const ipam = create();
    const { poolId } = await pool(ipam, { pool: "10.1.0.0/24", range: "10.1.0.128/25" });
    await next(ipam, poolId);
    await next(ipam, poolId, "10.1.0.7");
    expect(await ipam.usage?.(poolId)).toEqual({ inUse: 4n, available: 126n });
    const wide = await pool(ipam, { pool: "2001:db8::/64" });
    expect(await ipam.usage?.(wide.poolId)).toEqual({ inUse: 1n, available: 2n ** 64n - 1n });
  });

  test("are never leased twice, whatever the order of requests and releases", async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("any" as const) }),
      fc.record({ kind: fc.constant("this" as const), host: fc.integer({ min: 0, max: 15 }) }),
      fc.record({ kind: fc.constant("release" as const), at: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const ipam = create();
        const { poolId, pool: subnet } = await pool(ipam, { pool: "10.1.0.0/28" });
        const held: Address[] = [];
        for (const step of actions) {
          if (step.kind === "release") {
            const [released] = held.splice(step.at % Math.max(1, held.length), 1);
            if (released) await ipam.releaseAddress(poolId, released);
            continue;
          }
          const wanted = step.kind === "this" ? `10.1.0.${step.host}` : undefined;
          const leased = await next(ipam, poolId, wanted).catch(() => undefined);
          if (leased === undefined) {
            if (step.kind === "any") expect(held).toHaveLength(14);
            continue;
          }
          const { address: got } = prefix(leased);
          expect(held.map(formatAddress)).not.toContain(formatAddress(got));
          expect(prefixContains(subnet, got)).toBe(true);
          held.push(got);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("come from subnets that never overlap", async () => {
    const wish = fc.record({
      length: fc.integer({ min: 8, max: 30 }),
      value: fc.nat(255),
      release: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { maxLength: 40 }), async (wishes) => {
        const ipam = create(["10.0.0.0/20", 24], ["10.1.0.0/16", 26]);
        const held: { poolId: string; pool: ReturnType<typeof prefix> }[] = [];
        for (const { length, value, release } of wishes) {
          if (release) await ipam.releasePool(held.shift()?.poolId ?? "");
          const subnet =
            length % 2 ? undefined : `10.0.${length < 24 ? 0 : value % 16}.0/${Math.max(16, length)}`;
          const lease = await pool(ipam, subnet ? { pool: subnet } : {}).catch(() => undefined);
          if (!lease) continue;
          for (const other of held) expect(prefixesOverlap(other.pool, lease.pool)).toBe(false);
          held.push(lease);
        }
      }),
      { numRuns: 200 },
    );
  });
});
