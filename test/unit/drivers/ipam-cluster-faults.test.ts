// Random requests, releases, partitions, deaths and returns over five hosts: no address is ever held twice, and in the
// end all are free.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { BlockRecord } from "../../../drivers/ipam-cluster/records.ts";
import type { SharedTable } from "../../../src/driverapi/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { errorKind, errorMessage } from "../../../src/util/errors.ts";
import { address } from "../../lab/cnm/specs.ts";
import { graceMs, type Host, Hosts, lease } from "./cluster-hosts.ts";

// a write that a partition overtakes waits for its echo
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** Mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Actor {
  readonly id: string;
  host: Host;
  state: "up" | "cut" | "dead";
  /** When its lease ended. */
  endedAt: number | undefined;
  /** The store's revision when it came back. */
  backAt: number;
  /** Pool and address. Doubtful: the host was away so long that it may be another's. */
  readonly held: Map<string, "firm" | "doubtful">;
}

class World {
  readonly hosts = new Hosts();
  readonly actors: Actor[] = [];
  readonly violations: string[] = [];
  readonly counts = { leased: 0, refused: 0, lost: 0 };
  readonly pools: string[] = [];
  readonly #random: () => number;
  readonly #unexpected: string[] = [];
  #blocks: SharedTable<BlockRecord> | undefined;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  async build(count: number): Promise<void> {
    const witness = await this.hosts.add("witness", { random: this.#random });
    this.#blocks = await witness.node.table<BlockRecord>("ipam-blocks");
    for (let at = 0; at < count; at++) {
      const host = await this.hosts.add(`n${at}`, { random: this.#random });
      const actor: Actor = { id: host.id, host, state: "up", endedAt: undefined, backAt: 0, held: new Map() };
      this.actors.push(actor);
      this.#watchLosses(actor);
    }
    for (const pool of ["10.1.0.0/26", "10.2.0.0/28", "2001:db8::/120"]) {
      const { poolId } = await lease(witness, { pool, name: pool });
      await witness.ipam.requestAddress({ poolId, purpose: "gateway" });
      this.pools.push(poolId);
    }
  }

  get unexpected(): readonly string[] {
    return this.#unexpected;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  async step(): Promise<void> {
    const actor = this.pick(this.actors);
    const dice = this.#random();
    if (dice < 0.4) for (let count = this.pick([1, 2, 6]); count > 0; count--) this.#request(actor);
    else if (dice < 0.5) this.#request(actor, this.#anyAddress());
    else if (dice < 0.72) this.#release(actor);
    else if (dice < 0.74) this.#partition(actor);
    else if (dice < 0.77) this.#endLease(actor);
    else if (dice < 0.83) await this.#heal(actor);
    else if (dice < 0.84) this.#kill(actor);
    else if (dice < 0.87) await this.#restart(actor);
    else if (dice < 0.89) this.hosts.cluster.loseNextAnswer(actor.id);
    else if (dice < 0.91) this.hosts.cluster.hold(actor.id);
    else if (dice < 0.94) this.hosts.cluster.release(actor.id);
    else if (dice < 0.985) await this.pass(this.pick([1, 1, 2, 5]));
    else await this.pass(this.pick([20, 40, 70]));
    for (let turn = 0; turn < this.pick([0, 1, 3]); turn++) await nextTurn();
    this.check();
  }

  async pass(seconds: number, turns = 6): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.hosts.clock.pass(1_000);
      vi.advanceTimersByTime(1_000);
      this.#forfeit();
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      this.check();
    }
  }

  /** Everybody is back and has had time to find out. */
  async mend(): Promise<void> {
    for (const actor of this.actors) {
      this.hosts.cluster.release(actor.id);
      if (actor.state === "dead") await this.#restart(actor);
      await this.#heal(actor);
    }
    await this.pass(20, 100);
    for (const actor of this.actors) for (const key of actor.held.keys()) actor.held.set(key, "firm");
    this.check();
  }

  releaseAll(): void {
    for (const actor of this.actors) while (actor.held.size > 0) this.#release(actor);
  }

  /** No address has two holders that may both use it. */
  check(): void {
    this.#firm();
    const holders = new Map<string, string[]>();
    for (const { id, held } of this.actors)
      for (const [key, how] of held) if (how === "firm") holders.set(key, [...(holders.get(key) ?? []), id]);
    for (const [key, ids] of holders)
      if (ids.length > 1)
        this.violations.push(`${key} is held by ${ids.join(" and ")} at ${this.hosts.clock.now()}`);
  }

  #request(actor: Actor, wanted?: string): void {
    if (actor.state === "dead") return;
    const { host } = actor;
    const poolId = this.pick(this.pools);
    const isOfPool = wanted === undefined || wanted.includes(":") === poolId.includes(":");
    if (!isOfPool) return;
    host.ipam
      .requestAddress({
        poolId,
        purpose: "endpoint",
        endpointName: "c",
        ...(wanted && { address: address(wanted) }),
      })
      .then(
        (leased) => {
          // a daemon that died meanwhile has told nobody of it
          if (actor.host !== host || actor.state === "dead") return;
          if (this.#isForfeited(actor)) this.violations.push(`${actor.id} handed out what may be others'`);
          this.counts.leased++;
          actor.held.set(`${poolId}|${formatAddress(leased.address)}`, "firm");
          this.check();
        },
        (error: unknown) => {
          this.counts.refused++;
          if (!["unavailable", "forbidden", "invalid"].includes(errorKind(error)))
            this.#unexpected.push(errorMessage(error));
        },
      );
  }

  #release(actor: Actor): void {
    if (actor.held.size === 0 || actor.state === "dead") return;
    const key = this.pick([...actor.held.keys()]);
    const [poolId = "", text = ""] = key.split("|");
    actor.held.delete(key);
    actor.host.ipam.releaseAddress(poolId, address(text)).catch((error: unknown) => {
      this.#unexpected.push(errorMessage(error));
    });
  }

  #partition(actor: Actor): void {
    if (actor.state !== "up") return;
    actor.state = "cut";
    this.hosts.cluster.partition(actor.id);
  }

  #endLease(actor: Actor): void {
    if (actor.state === "up" || actor.endedAt !== undefined) return;
    actor.endedAt = this.hosts.clock.now();
    this.hosts.cluster.endLease(actor.id);
  }

  async #heal(actor: Actor): Promise<void> {
    if (actor.state !== "cut") return;
    this.#forfeit();
    this.hosts.cluster.release(actor.id);
    await this.hosts.cluster.heal(actor.id);
    actor.backAt = this.hosts.cluster.revision;
    actor.state = "up";
    actor.endedAt = undefined;
  }

  #kill(actor: Actor): void {
    if (actor.state === "dead") return;
    if (actor.state === "up") this.#partition(actor);
    actor.state = "dead";
    actor.host.ipam.close();
  }

  /** The daemon is back; its containers ran all the time, and it says what they have. */
  async #restart(actor: Actor): Promise<void> {
    if (actor.state !== "dead") return;
    this.#forfeit();
    actor.host = await this.hosts.start(actor.host.node, { random: this.#random }, async (ipam) => {
      for (const key of actor.held.keys()) {
        const [poolId = "", text = ""] = key.split("|");
        await ipam.requestAddress({ poolId, purpose: "endpoint", address: address(text), onRecord: true });
      }
    });
    this.#watchLosses(actor);
    actor.state = "cut";
  }

  #watchLosses(actor: Actor): void {
    actor.host.ipam.followLosses?.(({ poolId, address: lost }) => {
      const key = `${poolId}|${formatAddress(lost)}`;
      if (actor.held.get(key) === "firm") this.violations.push(`${actor.id} lost ${key}, which was its own`);
      this.counts.lost++;
      actor.held.delete(key);
    });
  }

  #isForfeited({ endedAt }: Actor): boolean {
    return endedAt !== undefined && this.hosts.clock.now() - endedAt > graceMs;
  }

  #forfeit(): void {
    for (const actor of this.actors)
      if (this.#isForfeited(actor)) for (const key of actor.held.keys()) actor.held.set(key, "doubtful");
  }

  /** What is a host's by a record that was written since the host is back is its own again. */
  #firm(): void {
    const all = [...(this.#blocks?.entries() ?? [])];
    for (const actor of this.actors) {
      const records = new Map(
        all.filter(({ revision }) => revision > actor.backAt).map(({ key, value }) => [key, value]),
      );
      if (this.#isForfeited(actor)) continue;
      for (const [key, how] of actor.held)
        if (how === "doubtful" && ownerOf(records, key) === actor.id) actor.held.set(key, "firm");
    }
  }

  #anyAddress(): string {
    return this.pick([
      () => `10.1.0.${1 + Math.floor(this.#random() * 62)}`,
      () => `10.2.0.${1 + Math.floor(this.#random() * 14)}`,
      () => `2001:db8::${(1 + Math.floor(this.#random() * 255)).toString(16)}`,
    ])();
  }
}

function ownerOf(records: ReadonlyMap<string, BlockRecord>, held: string): string | undefined {
  const [poolId = "", text = ""] = held.split("|");
  const [uid = ""] = poolId.split(" ");
  const { family, value } = address(text);
  const size = poolId.includes("/28") ? 4n : poolId.includes("/26") ? 8n : 16n;
  const start = value - (value % size);
  const record = records.get(`${uid}/${start.toString(16).padStart(family === 4 ? 8 : 32, "0")}`);
  return record?.taken[String(value - start)] ?? record?.owner;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const seeds = (process.env.IPAM_SEEDS ?? "1,2,3").split(",").map(Number);

test.each(seeds)(
  "no address is held twice, and in the end all are free (seed %i)",
  { timeout: 120_000 },
  async (seed) => {
    const world = new World(seed);
    await world.build(5);
    for (let step = 0; step < 2_000; step++) await world.step();
    await world.mend();
    if (process.env.IPAM_SEEDS) console.log(JSON.stringify(world.counts));
    expect(world.violations.slice(0, 5)).toEqual([]);
    expect(world.unexpected).toEqual([]);
    expect(world.counts.leased).toBeGreaterThan(200);
    world.releaseAll();
    await world.pass(60, 20);
    const [first] = world.actors;
    if (!first) throw new Error("no hosts");
    for (const [at, size] of [61, 13, 254].entries()) {
      const poolId = world.pools[at] ?? "";
      const all = new Set<string>();
      for (let count = 0; count < size; count++) {
        const leased = first.host.ipam.requestAddress({ poolId, purpose: "endpoint" });
        all.add(formatAddress((await leased).address));
      }
      expect(all.size).toBe(size);
    }
    world.hosts.close();
  },
);
