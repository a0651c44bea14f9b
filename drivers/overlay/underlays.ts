// What the underlay of each host carries, and what its kernel does not guard there. Containers' packets must fit the
// smallest, wherever they go: an MTU that depended on which hosts carry a network would change under containers that run.

import type { ClusterAccess, HostLack, SharedTable } from "../../src/driverapi/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import type { Log } from "../../src/util/log.ts";

/** By id of the host. */
export interface Underlay {
  /** MTU of the link that has its address. */
  readonly mtu: number;
  /** What the kernel lacks to guard tunnels against all processes of that host, in its configuration's words. */
  readonly lack?: string;
}

/** How long a network waits for what others carry, before its links follow that later. */
const mostWaitMs = 500;

/** This host's view of them, and its own record. */
export class Underlays {
  readonly #cluster: ClusterAccess;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #stops: (() => void)[] = [];
  #table: SharedTable<Underlay> | undefined;
  #own: Underlay | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;
  readonly #opening: Promise<void>;

  constructor(cluster: ClusterAccess, log: Log) {
    this.#cluster = cluster;
    this.#log = log;
    this.#opening = cluster.table<Underlay>("overlay-underlays").then(
      (table) => this.#open(table),
      (error) => log.error({ reason: errorMessage(error) }, "cannot open the table of hosts' MTUs"),
    );
  }

  /** Resolves when the others' are known, or after a moment. */
  async ready(): Promise<void> {
    if (this.#table) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#cluster.state === "connected" ? mostWaitMs : 0);
    });
    await Promise.race([this.#opening, late]);
    clearTimeout(timer);
  }

  /** What this host is now; others hear of it behind the answer. */
  set(own: Underlay): void {
    this.#own = own;
    this.#write();
  }

  /** What hosts lack, as they said; this one as it is. */
  lacks(): HostLack[] {
    const { self } = this.#cluster;
    const others = [...(this.#table?.entries() ?? [])].filter(({ key }) => key !== self.id);
    const said = [
      ...others.map(({ key, value }) => [key, value.lack] as const),
      [self.id, this.#own?.lack] as const,
    ];
    return said.flatMap(([nodeId, lack]) => (lack === undefined ? [] : [{ nodeId, lack: lackText(lack) }]));
  }

  /** The smallest of the cluster, hosts that are down included: they come back. */
  least(own: number): number {
    const { self, nodes } = this.#cluster;
    let least = own;
    for (const { key, value } of this.#table?.entries() ?? []) {
      const node = nodes.get(key)?.value;
      if (key !== self.id && node?.address.family === self.address.family && value.mtu < least)
        least = value.mtu;
    }
    return least;
  }

  /** Tells when the smallest may be another one. */
  follow(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves when the store has this host's, or does not answer. */
  async settle(): Promise<void> {
    await this.#writing;
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    for (const stop of this.#stops.splice(0)) stop();
  }

  #open(table: SharedTable<Underlay>): void {
    if (this.#isClosed) return;
    this.#table = table;
    this.#stops.push(
      table.follow(() => {
        this.#write();
        this.#tell();
      }),
      this.#cluster.followLife(() => this.#write()),
      this.#cluster.nodes.follow((changes) => {
        for (const change of changes) if (change.kind === "delete") this.#forget(change.before.key);
        this.#tell();
      }),
    );
    this.#write();
    this.#tell();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Whoever is first: a host that was taken off the record does it no more. */
  #forget(nodeId: string): void {
    const table = this.#table;
    if (nodeId === this.#cluster.self.id || !table?.get(nodeId)) return;
    table.delete(nodeId).catch(() => undefined);
  }

  /** Once more when the store is back, and when somebody else changed it. */
  #write(): void {
    const [table, own] = [this.#table, this.#own];
    const { self, state } = this.#cluster;
    if (!table || !own || this.#isClosed || this.#writing || state !== "connected") return;
    const written = table.get(self.id)?.value;
    if (written?.mtu === own.mtu && written.lack === own.lack) return;
    this.#writing = table
      .put(self.id, own)
      .then(
        () => true,
        (error) => {
          this.#log.debug({ reason: errorMessage(error) }, "cannot tell other hosts of this one's MTU yet");
          return false;
        },
      )
      .then((isWritten) => {
        this.#writing = undefined;
        if (isWritten) this.#write();
      });
  }
}

const lackText = (lack: string) =>
  `a process with CAP_NET_RAW in the host's netns can forge frames of overlay networks, for want of ${lack}; ` +
  "those of encrypted networks it cannot";
