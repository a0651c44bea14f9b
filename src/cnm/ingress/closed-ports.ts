// Ports of services that a host could not open, told to all hosts of the cluster.

import type { ClusterAccess, SharedTable } from "../../cluster/index.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { type IngressPort, portKey } from "./ingress-spec.ts";

/** A port that is not open on one host. */
export interface ClosedPort {
  readonly networkId: string;
  /** The host's id. */
  readonly node: string;
  readonly protocol: IngressPort["protocol"];
  readonly publishedPort: number;
  /** For people. */
  readonly reason: string;
}

/** By `network's id/host's id/protocol/port`. */
type ClosedPortRecord = Pick<ClosedPort, "reason">;

/** This host's part in the table, for as long as it is in the cluster. */
export class ClosedPorts {
  readonly #cluster: ClusterAccess;
  readonly #table: SharedTable<ClosedPortRecord>;
  readonly #log: Log;

  private constructor(cluster: ClusterAccess, table: SharedTable<ClosedPortRecord>, log: Log) {
    this.#cluster = cluster;
    this.#table = table;
    this.#log = log;
  }

  static async open(cluster: ClusterAccess, log: Log): Promise<ClosedPorts> {
    return new ClosedPorts(cluster, await cluster.table<ClosedPortRecord>("closed-ports"), log);
  }

  /** Of all hosts that are up; of one network when its id is given. */
  of(networkId?: string): ClosedPort[] {
    return [...this.#table.entries(networkId && `${networkId}/`)].flatMap(({ key, value }) => {
      const port = parseKey(key);
      return port && this.#cluster.isAlive(port.node) ? [{ ...port, reason: value.reason }] : [];
    });
  }

  /** Tells of other hosts' ports: those that could not be opened, and without a reason those that are open again. */
  follow(listener: (port: Omit<ClosedPort, "reason">, reason: string | undefined) => void): () => void {
    return this.#table.follow((changes) => {
      for (const change of changes) {
        const entry = change.kind === "put" ? change.entry : change.before;
        const port = parseKey(entry.key);
        if (!port || port.node === this.#cluster.self.id) continue;
        listener(port, change.kind === "put" ? entry.value.reason : undefined);
      }
    });
  }

  /** Says what is so on this host, by port; nothing else of the network is closed here. Never rejects. */
  async say(networkId: string, closed: ReadonlyMap<IngressPort, string>): Promise<void> {
    const prefix = `${networkId}/${this.#cluster.self.id}/`;
    const wanted = new Map([...closed].map(([port, reason]) => [`${prefix}${keyOf(port)}`, reason]));
    try {
      for (const { key } of [...this.#table.entries(prefix)])
        if (!wanted.has(key)) await this.#table.delete(key);
      for (const [key, reason] of wanted)
        if (this.#table.get(key)?.value.reason !== reason) await this.#table.put(key, { reason });
    } catch (error) {
      this.#log.debug(
        { network: networkId, reason: errorMessage(error) },
        "cannot say which ports are closed",
      );
    }
  }

  /** What this host said of networks that it serves no longer. */
  async forgetOthers(networkIds: ReadonlySet<string>): Promise<void> {
    const said = [...this.#table.entries()].map(({ key }) => parseKey(key));
    const own = said.filter((port) => port?.node === this.#cluster.self.id);
    const gone = new Set(
      own.flatMap((port) => (port && !networkIds.has(port.networkId) ? [port.networkId] : [])),
    );
    for (const networkId of gone) await this.say(networkId, new Map());
  }
}

function keyOf(port: IngressPort): string {
  return portKey(port).split("/").toReversed().join("/");
}

function parseKey(key: string): Omit<ClosedPort, "reason"> | undefined {
  const [networkId = "", node = "", protocol, port] = key.split("/");
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") return undefined;
  return { networkId, node, protocol, publishedPort: Number(port) };
}
