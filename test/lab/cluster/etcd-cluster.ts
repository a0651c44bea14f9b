// Hosts of the lab that share an etcd, each with a way to it that can be cut.

import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectOptions } from "../../../src/cluster/connect.ts";
import { compactStore, EtcdClient, readHead, readKey } from "../../../src/cluster/etcd/index.ts";
import { type Cluster, connectCluster, type StoreCluster } from "../../../src/cluster/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import { Lab, type LabHost } from "../lab.ts";
import { everyStep } from "../steps.ts";
import { cutWays, EtcdFixture, type EtcdFixtureOptions, type Reach, type Way } from "./etcd-fixture.ts";

let clusters = 0;

export interface LabSeat {
  readonly host: LabHost;
  readonly reach: Reach;
}

/** An etcd, and hosts that outlive the clusters made of them. */
export class ClusterLab implements AsyncDisposable {
  readonly etcd: EtcdFixture;
  readonly admin: EtcdClient;
  readonly #undo: Undo;
  readonly #hosts: ReadonlyMap<string, LabSeat>;

  private constructor(parts: {
    etcd: EtcdFixture;
    admin: EtcdClient;
    undo: Undo;
    hosts: ReadonlyMap<string, LabSeat>;
  }) {
    this.etcd = parts.etcd;
    this.admin = parts.admin;
    this.#undo = parts.undo;
    this.#hosts = parts.hosts;
  }

  static async create(
    hostNames: readonly string[],
    { members = 3, ...options }: EtcdFixtureOptions & { readonly members?: number } = {},
  ): Promise<ClusterLab> {
    await using undo = new Undo();
    const lab = await Lab.create();
    undo.defer("lab", () => lab[Symbol.asyncDispose]());
    const lan = lab.segment("192.0.2.0/24");
    const places: LabHost[] = [];
    for (let member = 0; member < members; member++) places.push(await lan.host(`m${member}`));
    const etcd = await EtcdFixture.start(places, options);
    undo.defer("etcd", () => etcd[Symbol.asyncDispose]());
    const hosts = new Map<string, LabSeat>();
    for (const name of hostNames) {
      const host = await lan.host(name);
      hosts.set(name, { host, reach: await etcd.reachFrom(host) });
    }
    const desk = await lan.host("desk");
    const admin = new EtcdClient({ endpoints: (await etcd.reachFrom(desk)).endpoints });
    undo.defer("admin", () => admin.close());
    return new ClusterLab({ etcd, admin, undo: undo.move(), hosts });
  }

  /** A new cluster in the same etcd. */
  cluster(options: Partial<ConnectOptions> = {}): LabCluster {
    return new LabCluster(this, `lab-${process.pid}-${++clusters}`, options);
  }

  host(name: string): LabSeat {
    const found = this.#hosts.get(name);
    if (!found) throw new Error(`the lab has no host ${name}`);
    return found;
  }

  async revision(): Promise<number> {
    return (await readHead(this.admin, "/", { doing: "look" })).revision;
  }

  async compact(): Promise<void> {
    await compactStore(this.admin, await this.revision());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.dispose();
  }
}

/** Hosts that joined, by name; each has an id of its own name. */
export class LabCluster implements AsyncDisposable {
  readonly id: string;
  readonly #lab: ClusterLab;
  readonly #options: Partial<ConnectOptions>;
  readonly #joined: StoreCluster[] = [];
  readonly #cuts = new Map<string, { join(): Promise<void> }>();

  constructor(lab: ClusterLab, id: string, options: Partial<ConnectOptions>) {
    this.#lab = lab;
    this.id = id;
    this.#options = options;
  }

  async add(name: string, options: Partial<ConnectOptions> = {}): Promise<StoreCluster> {
    const { host, reach } = this.#lab.host(name);
    const address = parseAddress(host.address());
    if (!address) throw new Error(`${name} has no address`);
    const cluster = await connectCluster({
      id: this.id,
      self: { id: name, name, address, dataPort: 4789, version: "lab" },
      endpoints: reach.endpoints,
      ttlSeconds: 2,
      ...this.#options,
      ...options,
    });
    this.#joined.push(cluster);
    return cluster;
  }

  async partition(name: string, ways: readonly Way[] = ["input", "output"]): Promise<void> {
    const { host } = this.#lab.host(name);
    const addresses = this.#lab.etcd.members.map(({ address }) => address);
    this.#cuts.set(name, await cutWays(host, ways, addresses));
    await until(() => this.#of(name).every(({ state }) => state === "frozen"), `${name} is frozen`);
  }

  async heal(name: string): Promise<void> {
    await this.#cuts.get(name)?.join();
    this.#cuts.delete(name);
    await until(() => this.#of(name).every(({ state }) => state === "connected"), `${name} is connected`);
  }

  async kill(name: string): Promise<void> {
    await this.partition(name);
    const key = `/tsdocker/${this.id}/alive/${name}`;
    await until(async () => !(await readKey(this.#lab.admin, key, { doing: "look" })), `${name} is dead`);
  }

  compact(): Promise<void> {
    return this.#lab.compact();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const cuts = [...this.#cuts.values()];
    this.#cuts.clear();
    await everyStep(
      () => Promise.all(this.#joined.map((cluster) => cluster.close())),
      ...cuts.map(({ join }) => join),
    );
  }

  #of(name: string): readonly Cluster[] {
    return this.#joined.filter(({ self }) => self.id === name);
  }
}

/** Waits until `isTrue` holds; throws after half a minute. */
export async function until(isTrue: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(20);
  }
}
