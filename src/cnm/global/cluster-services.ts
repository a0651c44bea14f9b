// The services of the cluster as this host sees them: who is behind them, who is told when that changes.

import type { Change, ClusterAccess, Entry } from "../../cluster/index.ts";
import { formatAddress } from "../../netip/index.ts";
import { notFound } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Background } from "../background.ts";
import type { Balanced } from "../netns.ts";
import type { Networks } from "../networks.ts";
import { type EndpointNames, type GlobalTables, keyOn, partsOf, type ServiceRecord } from "./records.ts";
import { publishPorts, sweepPorts, unpublishPorts } from "./service-ports.ts";
import { ServiceRecords } from "./service-records.ts";
import type { PublishedService, Service, ServiceBackend, ServiceRef } from "./services.ts";

export interface ClusterServicesSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly networks: Networks;
  readonly background: Background;
  readonly log: Log;
  readonly changed: (changed: readonly Service[], gone: readonly ServiceRef[]) => void;
}

/** This host's part in them, for as long as it is in the cluster. */
export class ClusterServices {
  readonly #around: ClusterServicesSurroundings;
  readonly #records: ServiceRecords;
  readonly #stops: (() => void)[];
  /** What was told last, as text. */
  readonly #shown = new Map<string, string>();
  readonly #dirty = new Set<string>();
  #flush: NodeJS.Immediate | undefined;

  constructor(around: ClusterServicesSurroundings) {
    this.#around = around;
    const { cluster, tables } = around;
    this.#records = new ServiceRecords({
      ...around,
      membersChanged: (services) => this.#change(services),
    });
    for (const service of this.all()) this.#shown.set(keyOf(service), textOf(service));
    this.#stops = [
      tables.services.follow((changes) => this.#change(new Set(changes.map(keyOfChange)))),
      cluster.followLife(() => this.#changeAll()),
    ];
  }

  /** What this host has is said: services are made and removed from now on. */
  ready(): void {
    // networks are known by name since
    this.#changeAll();
    this.#records.open();
    if (this.#around.cluster.state === "connected")
      this.#around.background.run("sweep published ports", () => sweepPorts(this.#around));
  }

  async settle(): Promise<void> {
    await this.#records.settle();
  }

  async end({ leaves }: { readonly leaves: boolean }): Promise<void> {
    await this.#records.end();
    for (const stop of this.#stops.splice(0)) stop();
    clearImmediate(this.#flush);
    const gone = [...this.#shown.keys()].map(refOf);
    if (leaves && gone.length > 0) this.#around.changed([], gone);
  }

  /** By network and name. */
  all(networkId?: string): Service[] {
    const prefix = networkId === undefined ? undefined : keyOn(networkId, "");
    return [...this.#around.tables.services.entries(prefix)].flatMap((entry) => this.#view(entry) ?? []);
  }

  /** What a sandbox on these networks is to balance. */
  balanceOf(networkIds: readonly string[]): Balanced[] {
    return networkIds.flatMap((id) => this.all(id)).flatMap(balanceOf);
  }

  /** @throws see `publishPorts` */
  async publish(service: string, ports: readonly PublishedService[]): Promise<Service> {
    await publishPorts(this.#around, service, ports);
    return this.#find(service);
  }

  /** @throws see `unpublishPorts` */
  async unpublish(service: string, ports: readonly PublishedService[]): Promise<Service> {
    const [networkId, name] = partsOf(service);
    const before = this.all(networkId).find((one) => one.name === name);
    await unpublishPorts(this.#around, service, ports);
    // with its last port a service without endpoints goes
    return before && !this.#around.tables.services.get(service)
      ? { ...before, published: [] }
      : this.#find(service);
  }

  #find(service: string): Service {
    const entry = this.#around.tables.services.get(service);
    const view = entry && this.#view(entry);
    if (!view) throw notFound(`service ${partsOf(service)[1]} not found`);
    return view;
  }

  /** Undefined while it has no addresses that anybody could count on, and where its network is not known. */
  #view({ key, value }: Entry<ServiceRecord>): Service | undefined {
    const [networkId, name] = partsOf(key);
    const network = this.#around.networks.get(networkId);
    if (!network || value.change) return undefined;
    const backends = this.#records.members.of(key).map((entry) => this.#backend(entry));
    const { vips, published } = value;
    return { networkId, networkName: network.name, name, vips, published, backends };
  }

  #backend({ key, value }: Entry<EndpointNames>): ServiceBackend {
    const { cluster } = this.#around;
    const { node, containerName, addresses, isReady } = value;
    return {
      endpointId: partsOf(key)[1],
      node,
      containerName,
      addresses,
      isReady: isReady && cluster.isAlive(node),
      isLocal: node === cluster.self.id,
    };
  }

  #changeAll(): void {
    const known = [...this.#around.tables.services.entries()].map(({ key }) => key);
    this.#change(new Set([...known, ...this.#shown.keys()]));
  }

  /** Many changes are told as one. */
  #change(services: ReadonlySet<string>): void {
    for (const service of services) this.#dirty.add(service);
    if (this.#dirty.size > 0) this.#flush ??= setImmediate(() => this.#tell());
  }

  #tell(): void {
    this.#flush = undefined;
    const changed: Service[] = [];
    const gone: ServiceRef[] = [];
    for (const key of this.#dirty) {
      const entry = this.#around.tables.services.get(key);
      const view = entry && this.#view(entry);
      const text = view && textOf(view);
      if (text === this.#shown.get(key)) continue;
      if (view && text !== undefined) this.#shown.set(key, text);
      else this.#shown.delete(key);
      if (view) changed.push(view);
      else gone.push(refOf(key));
    }
    this.#dirty.clear();
    if (changed.length + gone.length > 0) this.#around.changed(changed, gone);
  }
}

/** A virtual address goes to those of its family that are ready. */
function balanceOf({ vips, backends }: Service): Balanced[] {
  const ready = backends.filter(({ isReady }) => isReady).flatMap(({ addresses }) => addresses);
  return vips.map((vip) => ({ vip, backends: ready.filter(({ family }) => family === vip.family) }));
}

function keyOf({ networkId, name }: ServiceRef): string {
  return keyOn(networkId, name);
}

function refOf(key: string): ServiceRef {
  const [networkId, name] = partsOf(key);
  return { networkId, name };
}

function keyOfChange(change: Change<ServiceRecord>): string {
  return change.kind === "put" ? change.entry.key : change.before.key;
}

function textOf(service: Service): string {
  return JSON.stringify(service, (_, value) => (isAddress(value) ? formatAddress(value) : value));
}

function isAddress(value: unknown): value is Parameters<typeof formatAddress>[0] {
  return typeof value === "object" && value !== null && "family" in value && "value" in value;
}
