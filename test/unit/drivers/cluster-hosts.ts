// Hosts of a fake cluster with an IPAM driver each, and a clock that goes when the test says so.

import type { Clock } from "../../../drivers/ipam-cluster/clock.ts";
import {
  type ClusterIpam,
  type ClusterIpamOptions,
  createClusterIpam,
} from "../../../drivers/ipam-cluster/index.ts";
import { FakeCluster, type FakeHost } from "../../../src/cluster/fake-cluster.ts";
import type { AddressLoss, PoolLease } from "../../../src/driverapi/index.ts";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { errorKind } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";

export const graceMs = 60_000;

/** Goes on by `pass` alone. */
export class ManualClock implements Clock {
  #now = 1;
  readonly #waiting = new Map<object, { readonly at: number; readonly call: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const token = {};
    this.#waiting.set(token, { at: this.#now + ms, call });
    return () => void this.#waiting.delete(token);
  }

  /** Calls what is due, in order. */
  pass(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#waiting].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#waiting.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].call();
    }
    this.#now = end;
  }
}

export interface Host {
  readonly id: string;
  readonly node: FakeHost;
  readonly ipam: ClusterIpam;
  readonly losses: AddressLoss[];
}

export type Wish = Partial<Pick<ClusterIpamOptions, "defaultPools" | "random">>;

/** A cluster whose time is the test's. */
export class Hosts {
  readonly cluster = new FakeCluster();
  readonly clock = new ManualClock();
  readonly #hosts: Host[] = [];

  async add(id: string, wish: Wish = {}): Promise<Host> {
    return await this.start(await this.cluster.addNode(id), wish);
  }

  /** A driver on a host; one that was there before is to be closed first. */
  async start(
    node: FakeHost,
    wish: Wish = {},
    replay: (ipam: ClusterIpam) => Promise<void> = async () => undefined,
  ): Promise<Host> {
    const { cluster, clock } = this;
    const ipam = await createClusterIpam({
      cluster: node,
      clusterId: cluster.id,
      graceMs,
      clock,
      log: silentLog,
      ...wish,
    });
    const losses: AddressLoss[] = [];
    ipam.followLosses?.((loss) => losses.push(loss));
    await replay(ipam);
    ipam.open();
    const host = { id: node.self.id, node, ipam, losses };
    this.#hosts.push(host);
    await this.settled();
    return host;
  }

  /** Everything that hosts do by themselves is done. */
  async settled(): Promise<void> {
    // an answer may lead to the next question
    for (let round = 0; round < 20; round++) await this.cluster.settled();
  }

  /** Time passes, tick by tick. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 1_000) {
      this.clock.pass(Math.min(1_000, ms - passed));
      await this.cluster.settled();
    }
    await this.settled();
  }

  close(): void {
    for (const { ipam } of this.#hosts) ipam.close();
  }
}

/** Waits for something while time passes: for answers that do not come. */
export async function passing<T>(hosts: Hosts, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = work.finally(() => {
    isDone = true;
  });
  done.catch(() => undefined);
  for (let seconds = 0; seconds < 60 && !isDone; seconds++) await hosts.pass(1_000);
  return await done;
}

export async function lease(
  { ipam }: Host,
  {
    pool,
    range,
    family = 4,
    name = "blue",
    exclude = [],
  }: {
    readonly pool?: string;
    readonly range?: string;
    readonly family?: 4 | 6;
    readonly name?: string;
    readonly exclude?: readonly string[];
  } = {},
): Promise<PoolLease> {
  return await ipam.requestPool({
    addressSpace: "GlobalDefault",
    family: pool?.includes(":") ? 6 : family,
    ...(pool && { pool: prefix(pool) }),
    ...(range && { subPool: prefix(range) }),
    options: {},
    networkName: name,
    exclude: exclude.map(prefix),
  });
}

export const text = ({ pool }: PoolLease) => formatPrefix(pool);

/** An address for an endpoint, as text. */
export async function take({ ipam }: Host, poolId: string, wanted?: string): Promise<string> {
  const leased = await ipam.requestAddress({
    poolId,
    purpose: "endpoint",
    endpointName: "web",
    ...(wanted && { address: address(wanted) }),
  });
  return formatAddress(leased.address);
}

export async function takeMany(host: Host, poolId: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let at = 0; at < count; at++) taken.push(await take(host, poolId));
  return taken;
}

export async function release({ ipam }: Host, poolId: string, held: string): Promise<void> {
  await ipam.releaseAddress(poolId, address(held));
}

export async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? `${errorKind(error)}: ${error.message}` : "no failure";
}
