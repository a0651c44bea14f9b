// Names over the hosts of a cluster: those of this host's endpoints are written where all hosts see them, and the
// resolvers here are told of the others', on the networks that this host uses.

import type { Change, ClusterAccess, Entry, OwnRecords } from "../../cluster/index.ts";
import { formatAddress } from "../../netip/index.ts";
import { allDone } from "../../util/all-done.ts";
import type { Log } from "../../util/log.ts";
import type { Background } from "../background.ts";
import type { Network } from "../network.ts";
import type { Networks } from "../networks.ts";
import type { LocalEndpoint, LocalEndpoints } from "./local-endpoints.ts";
import { type EndpointNames, type GlobalTables, keyOn, partsOf, type ServiceRecord } from "./records.ts";
import type { ToldNames } from "./told-names.ts";

export interface NamesSurroundings {
  readonly cluster: ClusterAccess;
  readonly tables: GlobalTables;
  readonly networks: Networks;
  readonly local: LocalEndpoints;
  readonly told: ToldNames;
  readonly background: Background;
  readonly log: Log;
}

/** This host's part in them, for as long as it is in the cluster. */
export class ClusterNames {
  readonly #around: NamesSurroundings;
  readonly #own: OwnRecords<EndpointNames>;
  /** By network that this host uses: resolves when its names are served. */
  readonly #used = new Map<string, Promise<void>>();
  readonly #stops: (() => void)[];

  constructor(around: NamesSurroundings) {
    this.#around = around;
    const { cluster, tables, local } = around;
    // before a daemon ended it knew who was well, and until it is told otherwise they are as they were
    for (const { value } of tables.endpoints.entries())
      if (value.node === cluster.self.id && !value.isReady) local.setReady(value.containerId, false);
    this.#own = cluster.ownRecords<EndpointNames>(tables.endpoints.name, { isSame: areSame });
    for (const endpoint of local.all()) this.#publish(endpoint);
    this.#stops = [
      local.follow((endpoint, isThere) => {
        if (isThere) this.#publish(endpoint);
        else this.#own.delete(keyOn(endpoint.networkId, endpoint.endpointId));
      }),
      tables.endpoints.follow((changes) => this.#changed(changes, (entry) => this.#tellEndpoint(entry))),
      tables.services.follow((changes) => this.#changed(changes, (entry) => this.#tellService(entry))),
      cluster.followLife(() => this.#look()),
    ];
  }

  /** What was here before is on its networks' lists again. Resolves when the names of all networks in use are served. */
  async ready(): Promise<void> {
    this.#own.sweep();
    const used = this.#around.networks.all().filter(({ id, endpoints }) => {
      const isUsed = endpoints.size > 0 && this.#around.tables.networks.get(id) !== undefined;
      if (!isUsed) this.#around.told.withdrawAll({ networkId: id });
      return isUsed;
    });
    await allDone(used.map((network) => this.use(network)));
  }

  /** An endpoint is about to be on a network. Resolves when its names are served here. */
  async use({ id, name }: Pick<Network, "id" | "name">): Promise<void> {
    let begun = this.#used.get(id);
    if (!begun) {
      begun = this.#tellAll(id).catch((error: unknown) => {
        this.#around.log.warn({ network: name, reason: error }, "cannot serve all names of a network");
      });
      this.#used.set(id, begun);
    }
    await begun;
  }

  /** An endpoint is off a network. */
  left({ id, endpoints }: Pick<Network, "id" | "endpoints">): void {
    if (endpoints.size > 0 || !this.#used.delete(id)) return;
    this.#around.told.withdrawAll({ networkId: id });
  }

  /** Resolves when the store has heard of what is here, or does not answer. */
  async settle(): Promise<void> {
    await this.#own.settle();
  }

  /** Names stay in force, unless the host `leaves` for good. */
  async end({ leaves }: { readonly leaves: boolean }): Promise<void> {
    await this.#own.settle();
    this.#own.close();
    for (const stop of this.#stops.splice(0)) stop();
    if (leaves) this.#around.told.withdrawAll();
  }

  #publish(endpoint: LocalEndpoint): void {
    const { cluster, local } = this.#around;
    const { networkId, endpointId, ...record } = endpoint;
    const isReady = local.isReady(endpoint.containerId);
    this.#own.set(keyOn(networkId, endpointId), { ...record, node: cluster.self.id, isReady });
  }

  #changed<T>(changes: readonly Change<T>[], tell: (entry: Entry<T>) => Promise<void>): void {
    const fresh = changes.flatMap((change) => (change.kind === "put" ? [change.entry] : []));
    for (const change of changes) if (change.kind === "delete") this.#withdraw(change.before.key);
    const used = fresh.filter(({ key }) => this.#used.has(partsOf(key)[0]));
    if (used.length > 0)
      this.#around.background.run("tell of names", () => allDone(used.map((entry) => tell(entry))));
  }

  /** A host, or the store, has come or gone. */
  #look(): void {
    for (const id of this.#used.keys()) this.#around.background.run("tell of names", () => this.#tellAll(id));
  }

  async #tellAll(networkId: string): Promise<void> {
    const { tables } = this.#around;
    const prefix = keyOn(networkId, "");
    await allDone([
      ...[...tables.endpoints.entries(prefix)].map((entry) => this.#tellEndpoint(entry)),
      ...[...tables.services.entries(prefix)].map((entry) => this.#tellService(entry)),
    ]);
  }

  /** Those of this host are told by themselves. The names of a host whose lease has ended are nobody's. */
  async #tellEndpoint(entry: Entry<EndpointNames>): Promise<void> {
    const { cluster, told } = this.#around;
    const [networkId, endpointId] = partsOf(entry.key);
    const { node, names, addresses, isReady } = entry.value;
    if (node === cluster.self.id) return;
    const networkName = this.#around.networks.get(networkId)?.name;
    if (networkName === undefined || names.length === 0 || !cluster.isAlive(node))
      return told.withdraw(endpointId);
    const record = { networkId, networkName, endpointId, names, addresses };
    await told.tell(endpointId, entry, isReady ? record : { ...record, isReady });
  }

  async #tellService(entry: Entry<ServiceRecord>): Promise<void> {
    const { networks, told } = this.#around;
    const { key, value } = entry;
    const [networkId, name] = partsOf(key);
    const networkName = networks.get(networkId)?.name;
    if (networkName === undefined || value.change || value.vips.length === 0) return told.withdraw(key);
    const record = { networkId, networkName, endpointId: key, names: [name], addresses: value.vips };
    await told.tell(key, entry, record);
  }

  #withdraw(key: string): void {
    // a service goes by its whole key
    for (const id of [partsOf(key)[1], key]) this.#around.told.withdraw(id);
  }
}

function areSame(a: EndpointNames, b: EndpointNames): boolean {
  const text = ({ addresses, ...record }: EndpointNames) =>
    JSON.stringify([
      record.node,
      record.containerId,
      record.containerName,
      record.names,
      record.service ?? null,
      record.isReady,
      addresses.map(formatAddress),
    ]);
  return text(a) === text(b);
}
