// Keys of encrypted networks: derived, planned and rotated; chance and time are handed in.

import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { Encryption } from "../../../drivers/overlay/encryption.ts";
import {
  deriveKey,
  type KeyRing,
  largestSlot,
  type Sender,
  spiOf,
} from "../../../drivers/overlay/encryption-keys.ts";
import { planSeals, type SealPlanInput } from "../../../drivers/overlay/encryption-plan.ts";
import {
  beginLife,
  type KeyTable,
  leastPauseMs,
  needRing,
  ringIn,
  rotate,
  rotationDelay,
  rotationMs,
  senderIn,
  tableName,
} from "../../../drivers/overlay/encryption-ring.ts";
import { networkMtu } from "../../../drivers/overlay/mtu.ts";
import { FakeCluster } from "../../../src/cluster/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address } from "../kernel/values.ts";

/** The same bytes in every run, and never the same twice. */
function chance(seed: string) {
  let count = 0;
  const random = (bytes: number) => {
    const parts = Array.from({ length: Math.ceil(bytes / 32) }, (_, at) =>
      createHash("sha256").update(`${seed} ${count} ${at}`).digest(),
    );
    count++;
    return Buffer.concat(parts).subarray(0, bytes);
  };
  return { random, now: () => 1_000_000_000_000 };
}

const ringKey = { id: 1, secret: Buffer.alloc(32, 7).toString("base64") };
const a = { id: "a".repeat(32), address: address("192.0.2.1") };
const b = { id: "b".repeat(32), address: address("192.0.2.2") };
const life = { epoch: 1, nonce: "00".repeat(16) };
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("a key", () => {
  test("is the same wherever it is derived, and today as tomorrow", () => {
    const key = deriveKey(ringKey, { from: a, to: b, life });
    expect(key).toHaveLength(20);
    // what hosts of different versions must agree on
    expect(hex(key)).toMatchInlineSnapshot(`"9b6ae503fc272388390b3eb9ed0600d9293220eb"`);
  });

  test("is another one for another direction, key of the ring, life, host or address", () => {
    const others = [
      deriveKey(ringKey, { from: a, to: b, life }),
      deriveKey(ringKey, { from: b, to: a, life }),
      deriveKey({ ...ringKey, id: 2 }, { from: a, to: b, life }),
      deriveKey({ ...ringKey, secret: Buffer.alloc(32, 8).toString("base64") }, { from: a, to: b, life }),
      deriveKey(ringKey, { from: a, to: b, life: { ...life, epoch: 2 } }),
      deriveKey(ringKey, { from: a, to: b, life: { ...life, nonce: "01".repeat(16) } }),
      deriveKey(ringKey, { from: { ...a, address: address("192.0.2.9") }, to: b, life }),
      deriveKey(ringKey, { from: a, to: { ...b, address: address("192.0.2.9") }, life }),
    ];
    expect(new Set(others.map(hex)).size).toBe(others.length);
  });
});

describe("an SPI", () => {
  test("is another one for all that one host hears, and none is reserved", () => {
    const spis = new Set<number>();
    const slots = [1, 2, 3, 1000, largestSlot];
    for (const id of [14, 15, 16])
      for (const slot of slots) for (const epoch of [4095, 4096]) spis.add(spiOf({ id }, slot, { epoch }));
    expect(spis.size).toBe(3 * slots.length * 2);
    for (const spi of spis) {
      expect(spi).toBeGreaterThan(255);
      expect(spi).toBeLessThanOrEqual(0xffff_ffff);
    }
  });
});

/** Hosts of a cluster with their lives as senders, and a ring. */
async function world(count: number) {
  const cluster = new FakeCluster();
  const hosts = [];
  for (let at = 1; at <= count; at++)
    hosts.push(await cluster.addNode(`n${at}`, { address: address(`192.0.2.${at}`) }));
  const tables = await Promise.all(hosts.map((host) => host.table(tableName) as Promise<KeyTable>));
  return { cluster, hosts, tables };
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is no number ${index}`);
  return found;
}

describe("the ring", () => {
  test("is made by one, whoever is first", async () => {
    const { tables } = await world(5);
    const rings = await Promise.all(tables.map((table, n) => needRing(table, chance(`ring ${n}`))));
    expect(new Set(rings.map(({ current }) => current.secret)).size).toBe(1);
    expect([rings[0]?.current.id, rings[0]?.next.id]).toEqual([1, 2]);
  });

  test("moves up by one key, however many rotate at once, and next becomes current", async () => {
    const { tables } = await world(4);
    const before = await needRing(at(tables, 0), chance("first"));
    await Promise.all(tables.map((table, n) => rotate(table, chance(`rotate ${n}`))));
    const after = ringIn(at(tables, 3));
    expect(after?.current).toEqual(before.next);
    expect(after?.previous).toEqual(before.current);
    expect(after?.next.id).toBe(3);
  });

  test("waits a whole period, less by its age, and never less than others need to hear of the last", () => {
    const now = 5_000_000_000_000;
    expect(rotationDelay({ rotatedAt: now }, now)).toBe(rotationMs);
    expect(rotationDelay({ rotatedAt: now - rotationMs / 2 }, now)).toBe(rotationMs / 2);
    expect(rotationDelay({ rotatedAt: now - 10 * rotationMs }, now)).toBe(leastPauseMs);
    // a clock that is behind
    expect(rotationDelay({ rotatedAt: now + 10 * rotationMs }, now)).toBe(rotationMs);
  });
});

describe("a host's life as a sender", () => {
  test("has a slot of its own, also when all begin at once, and another nonce each time", async () => {
    const { hosts, tables } = await world(6);
    const begin = (n: number, seed: string) => beginLife(at(hosts, n), at(tables, n), chance(seed));
    const senders = await Promise.all(hosts.map((_, n) => begin(n, `life ${n}`)));
    expect(senders.map(({ slot }) => slot).sort()).toEqual([1, 2, 3, 4, 5, 6]);
    const again = await begin(0, "second life");
    expect(again).toMatchObject({ slot: senders[0]?.slot, life: { epoch: 2 }, former: senders[0]?.life });
    expect(again.life.nonce).not.toBe(senders[0]?.life.nonce);
  });
});

async function planned(count: number) {
  const { hosts, tables } = await world(count);
  await needRing(at(tables, 0), chance("ring"));
  for (const [n, host] of hosts.entries()) await beginLife(host, at(tables, n), chance(`life ${n}`));
  const inputOf = (n: number, more: Partial<SealPlanInput> = {}): SealPlanInput => {
    const host = at(hosts, n);
    const table = at(tables, n);
    const senderOf = (node: string) => senderIn(table, node);
    const ring = ringIn(table) as KeyRing;
    const nodes = hosts.map(({ self }) => self);
    const own = senderOf(host.self.id);
    return { self: host.self, nodes, ring, senderOf, life: own?.life, staysFormer: false, ...more };
  };
  return { hosts, tables, inputOf };
}

const says = ({ spi, key }: { spi: number; key: Uint8Array }) => `${spi} ${hex(key)}`;

describe("a plan", () => {
  test("lets every host hear what any other sends to it, under the same SPI and key", async () => {
    const { inputOf } = await planned(4);
    const plans = [0, 1, 2, 3].map((n) => planSeals(inputOf(n)));
    for (const [from, plan] of plans.entries())
      for (const [to, other] of plans.entries()) {
        if (from === to) continue;
        const self = inputOf(to).self.address.value;
        const spi = plan.targets.find(({ target }) => target.value === self)?.spi;
        const sent = plan.seals.find((seal) => seal.target.value === self && seal.spi === spi);
        expect(other.seals.map(says)).toContain(sent && says(sent));
      }
  });

  test("has no key twice in the whole cluster, but at the two ends of a direction", async () => {
    const { inputOf } = await planned(4);
    const keys = [0, 1, 2, 3].flatMap((n) =>
      planSeals(inputOf(n)).seals.map((seal) => `${hex(seal.key)} ${seal.source.value} ${seal.target.value}`),
    );
    const directions = new Map<string, Set<string>>();
    for (const text of keys) {
      const [key = "", ...ends] = text.split(" ");
      directions.set(key, (directions.get(key) ?? new Set()).add(ends.join()));
    }
    expect([...directions.values()].every((ends) => ends.size === 1)).toBe(true);
  });

  test("loses nothing by a rotation, whoever has heard of it already", async () => {
    const { tables, inputOf } = await planned(2);
    const before = ringIn(at(tables, 0)) as KeyRing;
    await rotate(at(tables, 0), chance("rotation"));
    const after = ringIn(at(tables, 0)) as KeyRing;
    for (const [sender, receiver] of [
      [before, after],
      [after, before],
      [after, after],
    ] as const) {
      const plan = planSeals(inputOf(0, { ring: sender }));
      const spi = plan.targets[0]?.spi;
      const sent = plan.seals.find(
        (seal) => seal.spi === spi && seal.source.value === inputOf(0).self.address.value,
      );
      expect(planSeals(inputOf(1, { ring: receiver })).seals.map(says)).toContain(sent && says(sent));
    }
  });

  test("goes on by a former life until all have heard of the new one", async () => {
    const { hosts, tables, inputOf } = await planned(2);
    const heardBefore = planSeals(inputOf(1)).seals.map(says);
    const sender = await beginLife(at(hosts, 0), at(tables, 0), chance("again"));
    const plan = planSeals(inputOf(0, { life: sender.life, staysFormer: true }));
    const { spi, formerSpi } = at(plan.targets, 0);
    const of = (wanted: number | undefined) =>
      plan.seals.find((seal) => seal.spi === wanted && seal.target.value === inputOf(1).self.address.value);
    expect(of(formerSpi)?.isFormer).toBe(true);
    expect(of(spi)?.isFormer).toBeUndefined();
    const former = of(formerSpi);
    expect(heardBefore).toContain(former && says(former));
    // and who has heard hears both
    const heard = planSeals(inputOf(1)).seals.map(says);
    for (const seal of [former, of(spi)]) expect(heard).toContain(seal && says(seal));
    expect(planSeals(inputOf(0, { life: sender.life })).targets[0]?.formerSpi).toBeUndefined();
  });

  test("leaves out this host, hosts of the other family, and hosts that never sent", async () => {
    const { inputOf } = await planned(2);
    const input = inputOf(0);
    const six = { ...input.self, id: "six", address: address("2001:db8::1") };
    const silent = { ...input.self, id: "silent", address: address("192.0.2.77") };
    const plan = planSeals({ ...input, nodes: [...input.nodes, six, silent] });
    expect(plan.targets.map(({ target }) => target.value)).toEqual([
      address("192.0.2.2").value,
      silent.address.value,
    ]);
    expect(plan.seals.some(({ source }) => source.value === silent.address.value)).toBe(false);
    expect(planSeals({ ...input, life: undefined }).targets).toEqual([]);
  });
});

describe("encryption", () => {
  test("asks for seals of networks that are held, and has a life after the first", async () => {
    const { hosts, tables } = await world(2);
    const [one, other] = [at(hosts, 0), at(hosts, 1)];
    const sides = [one, other].map((_, n) => new Encryption({ log: silentLog }, chance(`side ${n}`)));
    await Promise.all([at(sides, 0).hold("n1", [5001], one), at(sides, 1).hold("n1", [5001], other)]);
    const nodes = [one.self, other.self];
    await expect.poll(() => senderIn(at(tables, 0), other.self.id)).toBeDefined();
    const wish = at(sides, 0).wish(one.self, nodes);
    expect(wish).toMatchObject({ vnis: [5001], keepsOld: true });
    expect(wish?.plan?.targets).toHaveLength(1);
    for (const side of sides) side.sweep();
    expect(at(sides, 0).wish(one.self, nodes)?.keepsOld).toBe(false);
    for (const side of sides) side.release("n1");
    expect(at(sides, 0).wish(one.self, nodes)).toBeUndefined();
  });

  test("rotates after its period, by whichever host is first, and tells", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const { hosts, tables } = await world(2);
      const encryption = new Encryption({ log: silentLog }, { ...chance("rotating"), rotationMs: 1000 });
      const holding = encryption.hold("n1", [5001], at(hosts, 0));
      await vi.advanceTimersByTimeAsync(10);
      await holding;
      const before = ringIn(at(tables, 1));
      let told = 0;
      encryption.onChange = () => void told++;
      await vi.advanceTimersByTimeAsync(1_500);
      await expect.poll(() => ringIn(at(tables, 1))?.current).toEqual(before?.next);
      expect(told).toBeGreaterThan(0);
      encryption.release("n1");
    } finally {
      vi.useRealTimers();
    }
  });

  test("that lost what it sends by begins another life", async () => {
    const { hosts, tables } = await world(2);
    const one = at(hosts, 0);
    const encryption = new Encryption({ log: silentLog }, chance("lost"));
    await encryption.hold("n1", [5001], one);
    const before = senderIn(at(tables, 0), one.self.id) as Sender;
    encryption.wish(one.self, [one.self])?.onLost?.();
    await expect.poll(() => senderIn(at(tables, 0), one.self.id)?.life.epoch).toBe(before.life.epoch + 1);
    encryption.release("n1");
  });

  test("without the store seals all the same, and leaves associations as they are", async () => {
    const { cluster, hosts } = await world(1);
    cluster.partition(at(hosts, 0).self.id);
    const one = at(hosts, 0);
    const encryption = new Encryption({ log: silentLog }, chance("frozen"));
    await encryption.hold("n1", [5001], one);
    const wish = encryption.wish(one.self, [one.self]);
    expect(wish).toMatchObject({ vnis: [5001] });
    expect(wish?.plan).toBeUndefined();
    encryption.release("n1");
  });
});

test("the MTU of an encrypted network leaves room for what seals: ESP with AES-GCM", () => {
  const mtu = (underlay: number, own: string, encrypted: boolean) =>
    networkMtu(
      { link: kernel },
      { underlayMtu: undefined, ipv6: [], encrypted },
      { mtu: underlay, address: address(own) },
    );
  // IP, ESP's header and IV (16), UDP, VXLAN, Ethernet, payload and trailer to a multiple of 4, check value (16)
  const onWire = (ip: number, payload: number) => ip + 16 + Math.ceil((30 + payload + 2) / 4) * 4 + 16;
  for (const underlay of [1500, 1499, 1498, 1497, 9000]) {
    for (const [own, ip] of [
      ["192.0.2.1", 20],
      ["2001:db8::1", 40],
    ] as const) {
      const payload = mtu(underlay, own, true);
      expect(onWire(ip, payload)).toBeLessThanOrEqual(underlay);
      expect(onWire(ip, payload + 4)).toBeGreaterThan(underlay);
    }
  }
  expect([mtu(1500, "192.0.2.1", false), mtu(1500, "192.0.2.1", true)]).toEqual([1450, 1416]);
});
