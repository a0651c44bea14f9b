// Addresses that are unique over a cluster: pools, blocks, single addresses, and what becomes of a lost host's.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { address, prefix } from "../../lab/cnm/specs.ts";
import {
  failure,
  graceMs,
  type Host,
  Hosts,
  lease,
  passing,
  release,
  take,
  takeMany,
  text,
} from "./cluster-hosts.ts";

let hosts: Hosts;
beforeEach(() => {
  hosts = new Hosts();
});
afterEach(() => hosts.close());

const two = async () => [await hosts.add("h1"), await hosts.add("h2")] as const;

describe("pools", () => {
  test("are chosen from 10.0.0.0/8 in /24, and no two hosts choose the same", async () => {
    const [h1, h2] = await two();
    const pools = await Promise.all([lease(h1), lease(h2, { name: "red" }), lease(h1, { name: "green" })]);
    expect(pools.map(text).toSorted()).toEqual(["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]);
  });

  test("of IPv6 are /64 of a /48 that all hosts of a cluster make alike", async () => {
    const [h1, h2] = await two();
    const [first, second] = [
      text(await lease(h1, { family: 6 })),
      text(await lease(h2, { family: 6, name: "red" })),
    ];
    expect(first).toMatch(/^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    expect(second).toBe(first.replace("::/64", ":1::/64"));
  });

  test("stay clear of what the host reaches and of where the hosts are reached", async () => {
    const h1 = await hosts.start(await hosts.cluster.addNode("h1", { address: address("10.0.2.7") }));
    expect(text(await lease(h1, { exclude: ["10.0.0.0/23"] }))).toBe("10.0.3.0/24");
    expect(await failure(lease(h1, { pool: "10.0.2.0/24" }))).toBe(
      "forbidden: subnet 10.0.2.0/24 holds 10.0.2.7, where host h1 is reached by the others",
    );
  });

  test("that overlap are refused by the store: of two hosts one wins", async () => {
    const [h1, h2] = await two();
    const both = await Promise.allSettled([
      lease(h1, { pool: "10.9.0.0/16", name: "big" }),
      lease(h2, { pool: "10.9.7.0/24", name: "small" }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(await failure(lease(h2, { pool: "10.8.0.0/13" }))).toMatch(
      /^forbidden: Pool overlaps with other one on this address space: 10.8.0.0\/13 with 10.9.* of network (big|small)$/,
    );
  });

  test("are free again on every host when they are released", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.9.0.0/24" });
    await takeMany(h2, poolId, 20);
    await h1.ipam.releasePool(poolId);
    await hosts.settled();
    const again = await lease(h2, { pool: "10.9.0.0/24" });
    expect(await take(h1, again.poolId)).toBe("10.9.0.1");
    expect(await failure(take(h1, poolId))).toBe(
      `not-found: address pool ${poolId} is not on record in the cluster`,
    );
  });

  test("of any size can be asked for", async () => {
    const [h1] = await two();
    await lease(h1);
    expect(text(await lease(h1, { pool: "0.0.0.0/20" }))).toBe("10.0.16.0/20");
    expect(await failure(lease(h1, { pool: "10.0.0.1/24" }))).toBe("invalid: invalid address pool");
    expect(await failure(lease(h1, { pool: "10.2.0.0/24", range: "10.3.0.0/25" }))).toBe(
      "invalid: invalid address subpool",
    );
  });

  test("run out with a message that says where they were looked for", async () => {
    const h1 = await hosts.add("h1", { defaultPools: [{ base: prefix("10.7.0.0/24"), size: 25 }] });
    await lease(h1);
    await lease(h1);
    expect(await failure(lease(h1))).toBe(
      "invalid: all predefined address pools have been fully subnetted: 10.7.0.0/24 in /25",
    );
  });

  test("cannot be leased while the store is away", async () => {
    const [h1] = await two();
    hosts.cluster.partition("h1");
    expect(await failure(lease(h1))).toMatch(/^unavailable: /);
  });

  test("that a crash left behind are swept, and those of living hosts are not", async () => {
    const [h1, h2] = await two();
    const left = await lease(h1, { pool: "10.1.0.0/24" });
    const used = await lease(h1, { pool: "10.2.0.0/24" });
    await takeMany(h2, left.poolId, 3);
    await lease(h2, { pool: "10.3.0.0/24" });
    h1.ipam.close();
    const again = await hosts.start(h1.node);
    await again.ipam.sweep(new Set([used.poolId]));
    await hosts.settled();
    expect(text(await lease(h2, { pool: "10.1.0.0/24" }))).toBe("10.1.0.0/24");
    expect(await failure(lease(h2, { pool: "10.2.0.0/24" }))).toMatch(/^forbidden/);
    expect(await failure(lease(h2, { pool: "10.3.0.0/24" }))).toMatch(/^forbidden/);
  });
});

describe("addresses", () => {
  test("of two hosts come from blocks of their own", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    expect(await takeMany(h1, poolId, 3)).toEqual(["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    expect(await takeMany(h2, poolId, 2)).toEqual(["10.1.0.16", "10.1.0.17"]);
  });

  test("are handed out at once and without the store as long as a host has some", async () => {
    const [h1] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await takeMany(h1, poolId, 12);
    await hosts.settled();
    hosts.cluster.partition("h1");
    // the rest of the block, and the next one, which was fetched ahead
    expect((await takeMany(h1, poolId, 19)).at(-1)).toBe("10.1.0.31");
    expect(await failure(take(h1, poolId))).toBe(
      "unavailable: this host's part of the pool is used up, and the cluster's store is away",
    );
  });

  test("that are released rest until the others had their turn", async () => {
    const [h1] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    expect(await takeMany(h1, poolId, 2)).toEqual(["10.1.0.1", "10.1.0.2"]);
    await release(h1, poolId, "10.1.0.1");
    expect(await take(h1, poolId)).toBe("10.1.0.3");
  });

  test("are all found by one host, and by any mixture of hosts", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/26" });
    const taken = [
      ...(await takeMany(h2, poolId, 5)),
      ...(await takeMany(h1, poolId, 40)),
      ...(await takeMany(h2, poolId, 17)),
    ];
    expect(new Set(taken).size).toBe(62);
    expect(await failure(take(h1, poolId))).toBe("unavailable: no available addresses on this pool");
  });

  test("that many ask for at once are each handed out once", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    const taken = await Promise.all(
      Array.from({ length: 254 }, (_, at) => take(at % 3 === 0 ? h1 : h2, poolId)),
    );
    expect(new Set(taken).size).toBe(254);
  });

  test("that lie idle in others' blocks are borrowed when no block is free", async () => {
    const all = [];
    for (let number = 1; number <= 6; number++) all.push(await hosts.add(`h${number}`));
    const [h1] = all;
    if (!h1) throw new Error("no host");
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    const taken: string[] = [];
    for (let round = 0; round < 2; round++) for (const host of all) taken.push(await take(host, poolId));
    taken.push(...(await takeMany(h1, poolId, 2)));
    expect(new Set(taken).size).toBe(14);
    expect(await failure(take(h1, poolId))).toMatch(/^unavailable: no available/);
  });

  test("that were borrowed go back to who lent them", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/29" });
    const own = await takeMany(h1, poolId, 2);
    const rest = await takeMany(h1, poolId, 3);
    const borrowed = await take(h2, poolId);
    expect(await failure(take(h2, poolId))).toMatch(/^unavailable/);
    for (const one of rest) await release(h1, poolId, one);
    await release(h2, poolId, borrowed);
    await hosts.pass(2_000);
    expect((await takeMany(h1, poolId, 4)).length + own.length).toBe(6);
  });

  test("of a range alone go to those who name none", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24", range: "10.1.0.128/29" });
    expect((await Promise.all([takeMany(h1, poolId, 4), takeMany(h2, poolId, 4)])).flat().toSorted()).toEqual(
      Array.from({ length: 8 }, (_, at) => `10.1.0.${128 + at}`),
    );
    expect(await failure(take(h2, poolId))).toMatch(/^unavailable/);
    expect(await take(h2, poolId, "10.1.0.7")).toBe("10.1.0.7");
  });

  test("of IPv6 networks too", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "2001:db8::/64" });
    expect(await take(h1, poolId)).toBe("2001:db8::1");
    expect(await take(h2, poolId)).toBe("2001:db8::100");
    expect(await take(h1, poolId, "2001:db8::ffff:1")).toBe("2001:db8::ffff:1");
  });
});

describe("addresses that are asked for by name", () => {
  test("are had from another host's block, once, and the message says where they are", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await takeMany(h1, poolId, 2);
    expect(await take(h2, poolId, "10.1.0.9")).toBe("10.1.0.9");
    expect(await failure(take(h1, poolId, "10.1.0.9"))).toBe(
      "forbidden: Address already in use: 10.1.0.9: a container on host h2 has it",
    );
    expect(await failure(take(h2, poolId, "10.1.0.1"))).toBe(
      "forbidden: Address already in use: 10.1.0.1: web on host h1 has it",
    );
    expect(await failure(take(h1, poolId, "10.1.0.1"))).toBe(
      "forbidden: Address already in use: 10.1.0.1: web on this host has it",
    );
    expect(await takeMany(h1, poolId, 14)).not.toContain("10.1.0.9");
  });

  test("are had by one of two hosts that ask at once, whoever owns the block", async () => {
    const [h1, h2] = await two();
    const h3 = await hosts.add("h3");
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await take(h1, poolId);
    for (const wanted of ["10.1.0.5", "10.1.0.77"]) {
      const all = await Promise.allSettled([h1, h2, h3].map((host) => take(host, poolId, wanted)));
      expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    }
  });

  test("can be given to another host as soon as they are released", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await take(h1, poolId, "10.1.0.7");
    await release(h1, poolId, "10.1.0.7");
    await hosts.settled();
    expect(await take(h2, poolId, "10.1.0.7")).toBe("10.1.0.7");
  });

  test("outside the subnet, and its network and broadcast addresses, are refused", async () => {
    const [h1] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    for (const wanted of ["10.1.1.1", "10.1.0.0", "10.1.0.255"])
      expect(await failure(take(h1, poolId, wanted))).toBe("invalid: requested address is out of range");
  });

  test("say so when their block's owner is away or does not answer", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await take(h1, poolId);
    hosts.cluster.partition("h1");
    expect(await failure(passing(hosts, take(h2, poolId, "10.1.0.9")))).toBe(
      "unavailable: lease 10.1.0.9: it is in a block of host h1, which does not answer",
    );
    hosts.cluster.endLease("h1");
    await hosts.settled();
    expect(await failure(take(h2, poolId, "10.1.0.9"))).toBe(
      "unavailable: lease 10.1.0.9: it is in a block of host h1, which is away: what it has is kept for a while",
    );
  });
});

describe("addresses of the network itself", () => {
  test("are nobody's on any host, and the first that is free unless they are named", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    const gateway = await h1.ipam.requestAddress({ poolId, purpose: "gateway" });
    expect(gateway).toEqual(prefix("10.1.0.1/24"));
    await h1.ipam.requestAddress({ poolId, purpose: "auxiliary", address: address("10.1.0.3") });
    expect(
      await failure(h2.ipam.requestAddress({ poolId, purpose: "gateway", address: address("10.1.0.3") })),
    ).toBe("forbidden: Address already in use: 10.1.0.3: it is the network's own");
    expect(await takeMany(h2, poolId, 2)).toEqual(["10.1.0.2", "10.1.0.4"]);
    expect(await failure(take(h1, poolId, "10.1.0.1"))).toMatch(/the network's own/);
  });

  test("can be taken late, out of a host's block, and given back", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await take(h1, poolId);
    await h2.ipam.requestAddress({ poolId, purpose: "auxiliary", address: address("10.1.0.2") });
    await h1.ipam.requestAddress({ poolId, purpose: "auxiliary", address: address("10.1.0.3") });
    expect(await take(h1, poolId)).toBe("10.1.0.4");
    await h1.ipam.releaseAddress(poolId, address("10.1.0.2"));
    expect(await take(h1, poolId, "10.1.0.2")).toBe("10.1.0.2");
  });
});

describe("an address that becomes all hosts' together", () => {
  const share = ({ ipam }: Host, poolId: string, { held, name = "web" }: { held: string; name?: string }) =>
    ipam.shareAddress(poolId, address(held), name);

  test("is nobody's on any host, as often as it is said, and outlives the host that leased it", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    const held = await take(h1, poolId);
    await share(h1, poolId, { held });
    await share(h1, poolId, { held });
    await share(h2, poolId, { held });
    expect(await failure(take(h2, poolId, held))).toMatch(/the network's own$/);
    hosts.cluster.partition("h1");
    hosts.cluster.endLease("h1");
    await hosts.pass(graceMs + 5_000);
    expect(await failure(take(h2, poolId, held))).toMatch(/the network's own$/);
    await h2.ipam.unshareAddress(poolId, address(held));
    await h2.ipam.unshareAddress(poolId, address(held));
    expect(await take(h2, poolId, held)).toBe(held);
  });

  test("must be leased under the name that is said, or free", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    const held = await take(h1, poolId);
    expect(await failure(share(h1, poolId, { held, name: "db" }))).toMatch(
      /^forbidden: .*web on this host has it$/,
    );
    expect(await failure(share(h2, poolId, { held }))).toMatch(/^forbidden: .*web on host h1 has it$/);
    // it is an endpoint's still, whoever says that it is shared no longer
    await h2.ipam.unshareAddress(poolId, address(held));
    expect(await failure(take(h2, poolId, held))).toMatch(/web on host h1 has it$/);
    await share(h2, poolId, { held: "10.1.0.200" });
    expect(await failure(take(h1, poolId, "10.1.0.200"))).toMatch(/the network's own$/);
  });
});

describe("a host that is gone", () => {
  const lose = async (id: string) => {
    hosts.cluster.partition(id);
    hosts.cluster.endLease(id);
    await hosts.settled();
  };

  test("keeps its addresses for the grace time, and then they are others'", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    await takeMany(h1, poolId, 8);
    await lose("h1");
    await hosts.pass(graceMs - 2_000);
    const before = await takeMany(h2, poolId, 3);
    expect(await failure(take(h2, poolId))).toMatch(/^unavailable: no available/);
    await hosts.pass(4_000);
    const after = await takeMany(h2, poolId, 11);
    expect(new Set([...before, ...after]).size).toBe(14);
  });

  test("hands out what it has until the grace time ends, and no longer", async () => {
    const [h1] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/24" });
    await take(h1, poolId);
    await lose("h1");
    await hosts.pass(graceMs - 2_000);
    expect(await take(h1, poolId)).toBe("10.1.0.2");
    await hosts.pass(3_000);
    expect(await failure(take(h1, poolId))).toMatch(
      /^unavailable: .*whether its part of the pool is still its own/,
    );
  });

  test("finds out when it is back, and endpoints whose addresses are others' lose them", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    const kept = await takeMany(h1, poolId, 2);
    await lose("h1");
    await hosts.pass(graceMs + 5_000);
    const taken = await takeMany(h2, poolId, 14);
    expect(taken).toContain(kept[0]);
    await hosts.cluster.heal("h1");
    await hosts.pass(2_000);
    expect(h1.losses.map(({ address: lost }) => lost)).toEqual(kept.map(address));
    expect(h1.losses[0]?.reason).toBe("Address already in use: 10.1.0.1: web on host h2 has it");
    expect(await failure(take(h1, poolId))).toMatch(/^unavailable: no available/);
    expect(h2.losses).toEqual([]);
  });

  test("keeps what nobody wanted meanwhile, also when its block is another's", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    const kept = await take(h1, poolId, "10.1.0.3");
    await takeMany(h1, poolId, 13);
    await lose("h1");
    await hosts.pass(graceMs + 5_000);
    const theirs = await takeMany(h2, poolId, 2);
    await hosts.cluster.heal("h1");
    await hosts.pass(3_000);
    expect(theirs).not.toContain(kept);
    expect(h1.losses).toHaveLength(2);
    expect(await failure(take(h2, poolId, kept))).toBe(
      "forbidden: Address already in use: 10.1.0.3: a container on host h1 has it",
    );
  });

  test("is not thought gone when only its watcher was away", async () => {
    const [h1, h2] = await two();
    const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
    await takeMany(h1, poolId, 10);
    await lose("h1");
    await hosts.pass(2_000);
    hosts.cluster.partition("h2");
    await hosts.cluster.heal("h1");
    await hosts.pass(graceMs + 2_000);
    await hosts.cluster.heal("h2");
    expect(await failure(takeMany(h2, poolId, 5))).toMatch(/^unavailable: no available/);
    expect(h1.losses).toEqual([]);
  });
});

describe("a daemon that starts again", () => {
  test("has the addresses that it says are on record, and others get none of them", async () => {
    const [h1, h2] = await two();
    const { poolId, pool } = await lease(h1, { pool: "10.1.0.0/24" });
    await takeMany(h1, poolId, 3);
    h1.ipam.close();
    const again = await hosts.start(h1.node);
    const onRecord = { addressSpace: "GlobalDefault", family: 4, options: {}, exclude: [] } as const;
    expect(await again.ipam.requestPool({ ...onRecord, pool, onRecord: poolId })).toEqual({ poolId, pool });
    for (const held of ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
      await again.ipam.requestAddress({
        poolId,
        purpose: "endpoint",
        endpointName: "db",
        address: address(held),
        onRecord: true,
      });
    expect(await failure(take(h2, poolId, "10.1.0.2"))).toMatch(/db on host h1 has it$/);
    expect(await take(again, poolId)).toBe("10.1.0.4");
  });
});

test("how much of a pool is in use is counted over all hosts", async () => {
  const [h1, h2] = await two();
  const { poolId } = await lease(h1, { pool: "10.1.0.0/24", range: "10.1.0.0/25" });
  await h1.ipam.requestAddress({ poolId, purpose: "gateway" });
  await takeMany(h1, poolId, 3);
  await takeMany(h2, poolId, 4);
  await take(h2, poolId, "10.1.0.200");
  await hosts.pass(2_000);
  // the network and broadcast addresses, the gateway, and 8
  expect(await h1.ipam.usage?.(poolId)).toEqual({ inUse: 11n, available: 127n - 8n });
  expect(await h2.ipam.usage?.(poolId)).toEqual(await h1.ipam.usage?.(poolId));
});

test("blocks that nobody needs are given back", async () => {
  const [h1, h2] = await two();
  const { poolId } = await lease(h1, { pool: "10.1.0.0/28" });
  const taken = await takeMany(h1, poolId, 14);
  for (const one of taken) await release(h1, poolId, one);
  await hosts.pass(40_000);
  hosts.cluster.partition("h1");
  expect(await takeMany(h2, poolId, 14)).toHaveLength(14);
});
