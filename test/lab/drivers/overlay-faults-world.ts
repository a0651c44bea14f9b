// Five hosts with the overlay driver and the cluster's IPAM driver, on one underlay, in one cluster; containers that come,
// go, move and are forgotten by daemons that crash; hosts that are cut off from the store or from each other.

import type { ChildProcess } from "node:child_process";
import { type ClusterIpam, createClusterIpam } from "../../../drivers/ipam-cluster/index.ts";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import { errorKind, errorMessage } from "../../../src/util/errors.ts";
import { silentLog } from "../../../src/util/log.ts";
import { graceMs, ManualClock } from "../../unit/drivers/cluster-hosts.ts";
import { prefix } from "../../unit/kernel/values.ts";
import { cut } from "../cluster/etcd-fixture.ts";
import { Lab, type LabHost } from "../lab.ts";
import { type OverlayContainer, type OverlayHost, overlayHost, pool } from "./overlay-world.ts";

export const subnet = "10.9.0.0/26";
const gateway = "10.9.0.1";
const subnet6 = "fd09::/64";
export const subnets = [subnet, subnet6];

/** The clock of leases and grace times goes this much faster than the world's. */
const tickEveryMs = 20;
const tickMs = 1_000;

export interface Machine {
  readonly name: string;
  readonly overlay: OverlayHost;
  ipam: ClusterIpam;
  readonly containers: Set<Tenant>;
  /** From the store. */
  isCut: boolean;
  /** By the fast clock, when its lease ended while it was cut off. */
  leaseEndedAt: number | undefined;
}

/** A container and its address. */
export interface Tenant {
  readonly machine: Machine;
  readonly container: OverlayContainer;
  readonly address: string;
  /** Its host was away for longer than the grace time: its address may be another's. */
  isDoubtful: boolean;
  isBusy: boolean;
}

/** Owns all of it. */
export class FaultWorld implements AsyncDisposable {
  readonly lab: Lab;
  readonly cluster = new FakeCluster();
  readonly machines: Machine[] = [];
  readonly counts: Record<string, number> = {};
  /** Addresses that two containers had at once, each rightly as far as its host could know. */
  readonly violations: string[] = [];
  /** Errors that are not an answer. */
  readonly unexpected: string[] = [];
  readonly #clock = new ManualClock();
  readonly #timer: NodeJS.Timeout;
  readonly #walls = new Map<string, readonly { join(): Promise<void> }[]>();
  readonly #leaving = new Set<Promise<unknown>>();
  #poolId = "";
  #made = 0;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.#timer = setInterval(() => this.#clock.pass(tickMs), tickEveryMs);
  }

  static async create(names: readonly string[]): Promise<FaultWorld> {
    const world = new FaultWorld(await Lab.create());
    const segment = world.lab.segment("192.0.2.0/24");
    for (const name of names) {
      const overlay = await overlayHost(segment, world.cluster, name);
      const machine = {
        name,
        overlay,
        ipam: await world.#openIpam(overlay),
        containers: new Set<Tenant>(),
        isCut: false,
        leaseEndedAt: undefined,
      };
      world.#watchLosses(machine);
      machine.ipam.open();
      world.machines.push(machine);
    }
    await world.#createNetwork();
    return world;
  }

  get tenants(): readonly Tenant[] {
    return this.machines.flatMap(({ containers }) => [...containers]);
  }

  /** Nobody else works on these. */
  get idle(): readonly Tenant[] {
    return this.tenants.filter(({ isBusy }) => !isBusy);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** A container, with this address or any. Undefined where there is none to be had. */
  async start(machine: Machine, wanted?: string): Promise<Tenant | undefined> {
    const name = `c${++this.#made}`;
    const address = await this.#lease(machine, name, wanted);
    if (address === undefined) return undefined;
    const number = address.split(".")[3] ?? "0";
    const own = [`${address}/26`, `fd09::${Number(number).toString(16)}/64`];
    const container = await machine.overlay.run(name, own);
    const tenant = { machine, container, address, isDoubtful: false, isBusy: false };
    this.#note(tenant);
    machine.containers.add(tenant);
    this.count("started");
    return tenant;
  }

  async stop(tenant: Tenant): Promise<void> {
    tenant.isBusy = true;
    const { machine, container, address } = tenant;
    await container.stop();
    machine.containers.delete(tenant);
    await machine.ipam.releaseAddress(this.#poolId, prefix(`${address}/26`).address);
    this.count("stopped");
  }

  /** The daemon ends without a word in the middle of what it does with these, and another one starts. */
  async crash(machine: Machine, gone: readonly Tenant[] = []): Promise<void> {
    machine.ipam.close();
    for (const tenant of gone) machine.containers.delete(tenant);
    // one half of them had lost their namespace by then
    const [ended, half] = [gone.filter((_, at) => at % 2 === 0), gone.filter((_, at) => at % 2 === 1)];
    for (const { container } of ended) await container.end();
    await machine.overlay.restart(gone.map(({ container }) => container));
    for (const { container } of half) await container.end();
    for (const { container } of gone) machine.overlay.forget(container);
    machine.ipam = await this.#openIpam(machine.overlay);
    this.#watchLosses(machine);
    for (const { address } of machine.containers)
      await machine.ipam.requestAddress({
        poolId: this.#poolId,
        purpose: "endpoint",
        address: prefix(`${address}/26`).address,
        onRecord: true,
      });
    machine.ipam.open();
    this.count("crashed");
  }

  /** A host and the store. */
  cutOff(machine: Machine): void {
    machine.isCut = true;
    this.cluster.partition(machine.name);
    this.count("cut off");
  }

  endLease(machine: Machine): void {
    if (!machine.isCut || machine.leaseEndedAt !== undefined) return;
    machine.leaseEndedAt = this.#clock.now();
    this.cluster.endLease(machine.name);
    this.count("leases ended");
  }

  async heal(machine: Machine): Promise<void> {
    this.#doubt(machine);
    machine.isCut = false;
    machine.leaseEndedAt = undefined;
    await this.cluster.heal(machine.name);
  }

  /** Nothing passes between two hosts any more. */
  async wall(one: Machine, two: Machine): Promise<void> {
    const key = [one.name, two.name].sort().join();
    if (this.#walls.has(key)) return;
    this.#walls.set(key, [await cut(one.overlay.lab, two.overlay.lab.address())]);
    this.count("walls");
  }

  async unwall(key = [...this.#walls.keys()][0] ?? ""): Promise<void> {
    const walls = this.#walls.get(key) ?? [];
    this.#walls.delete(key);
    for (const wall of walls) await wall.join();
  }

  hasWall(one: Machine, two: Machine): boolean {
    return this.#walls.has([one.name, two.name].sort().join());
  }

  /** Everybody is back, and has had time to find out. */
  async mend(): Promise<void> {
    while (this.#walls.size > 0) await this.unwall();
    for (const machine of this.machines) if (machine.isCut) await this.heal(machine);
    await this.pass(15);
    await this.settle();
    for (const tenant of this.tenants) tenant.isDoubtful = false;
    const holders = Map.groupBy(this.tenants, ({ address }) => address);
    for (const [address, held] of holders)
      if (held.length > 1) this.violations.push(`${address} is held by ${held.map(nameOf)} in the end`);
  }

  /** So many ticks of the fast clock. */
  async pass(ticks: number): Promise<void> {
    const end = this.#clock.now() + ticks * tickMs;
    while (this.#clock.now() < end) await new Promise((resolve) => setTimeout(resolve, tickEveryMs));
  }

  async settle(): Promise<void> {
    while (this.#leaving.size > 0) await Promise.allSettled(this.#leaving);
    await this.cluster.settled();
    for (const { overlay } of this.machines) await overlay.driver.settle?.();
    await this.cluster.settled();
    for (const { overlay } of this.machines) await overlay.driver.settle?.();
  }

  /** What the store has of addresses, when nobody uses the network any more. */
  async releasePool(): Promise<void> {
    await this.machines[0]?.ipam.releasePool(this.#poolId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const { ipam } of this.machines) ipam.close();
    for (const { overlay } of this.machines) await overlay[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }

  async #openIpam({ access }: OverlayHost): Promise<ClusterIpam> {
    const { id: clusterId } = this.cluster;
    return await createClusterIpam({
      cluster: access,
      clusterId,
      graceMs,
      clock: this.#clock,
      log: silentLog,
    });
  }

  async #createNetwork(): Promise<void> {
    const [first] = this.machines;
    if (!first) return;
    const { poolId } = await first.ipam.requestPool({
      addressSpace: "GlobalDefault",
      family: 4,
      pool: prefix(subnet),
      options: {},
      networkName: "blue",
      exclude: [],
    });
    this.#poolId = poolId;
    const { address } = prefix(`${gateway}/26`);
    await first.ipam.requestAddress({ poolId, purpose: "gateway", address });
    await this.cluster.settled();
    const wish = { ipv4: [pool(subnet, gateway)], ipv6: [pool(subnet6, "fd09::fffe")] };
    for (const { overlay } of this.machines) await overlay.createNetwork(wish);
  }

  async #lease(machine: Machine, endpointName: string, wanted?: string): Promise<string | undefined> {
    const address = wanted === undefined ? undefined : prefix(`${wanted}/26`).address;
    const { ipam } = machine;
    try {
      const request = { poolId: this.#poolId, purpose: "endpoint", endpointName } as const;
      return formatAddress((await ipam.requestAddress({ ...request, ...(address && { address }) })).address);
    } catch (error) {
      this.count("refused");
      if (!["unavailable", "forbidden"].includes(errorKind(error))) this.unexpected.push(errorMessage(error));
      return undefined;
    }
  }

  /** Called when a container gets its address. */
  #note(tenant: Tenant): void {
    for (const machine of this.machines) this.#doubt(machine);
    if (tenant.machine.leaseEndedAt !== undefined && this.#isForfeited(tenant.machine)) return;
    const other = this.tenants.find((it) => it.address === tenant.address && !it.isDoubtful);
    if (other) this.violations.push(`${tenant.address} is held by ${nameOf(other)} and ${nameOf(tenant)}`);
  }

  #isForfeited({ leaseEndedAt }: Machine): boolean {
    return leaseEndedAt !== undefined && this.#clock.now() - leaseEndedAt > graceMs;
  }

  #doubt(machine: Machine): void {
    if (this.#isForfeited(machine)) for (const tenant of machine.containers) tenant.isDoubtful = true;
  }

  /** As the controller does: the container is taken off the network. */
  #watchLosses(machine: Machine): void {
    machine.ipam.followLosses((loss) => {
      const lost = [...machine.containers].find(({ address }) => address === formatAddress(loss.address));
      if (!lost || lost.isBusy) return;
      if (!lost.isDoubtful) this.violations.push(`${nameOf(lost)} lost ${lost.address}, which was its own`);
      this.count("lost");
      const leaving = this.stop(lost).finally(() => this.#leaving.delete(leaving));
      this.#leaving.add(leaving);
    });
  }
}

const nameOf = ({ container, machine }: Tenant) => `${container.host.name} on ${machine.name}`;

/** Packets from one container to an address, one after the other, until it is ended. */
export class Flow {
  readonly #ping: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = "";

  constructor(from: LabHost, to: string) {
    const words = ["ping", "-i", "0.02", to];
    this.#ping = from.spawn("busybox", words, { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = new Promise((resolve) => this.#ping.once("close", resolve));
    this.#ping.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#said += text;
    });
  }

  /** Ends it. Numbers are counted modulo 2^16 on the wire. */
  async end(): Promise<{ readonly received: number; readonly lost: readonly number[] }> {
    this.#ping.kill("SIGINT");
    await this.#ended;
    const seen = new Set([...this.#said.matchAll(/seq=(\d+) /g)].map(([, number]) => Number(number)));
    const last = Math.max(...seen);
    const lost = Array.from({ length: last + 1 }, (_, number) => number).filter(
      (number) => !seen.has(number),
    );
    return { received: seen.size, lost };
  }
}
