// All that a proxy serves: forwards, resolvers, names. Fed by the daemon through control.ts.

import { type ZoneRecord, Zones } from "../dns/index.ts";
import { datagramBatch } from "../kernel/datagrams.ts";
import { errorMessage } from "../util/errors.ts";
import { KeyedLock } from "../util/keyed-lock.ts";
import type { Log } from "../util/log.ts";
import { ForwardTable } from "./forward-table.ts";
import { HeldStreams } from "./held-streams.ts";
import { type ResolverWorld, SandboxResolver } from "./resolver.ts";
import type { Forward, ParkedSockets, ProxyCounters, ResolverConfig, ResolverPorts } from "./types.ts";
import { UpstreamPool } from "./upstream-pool.ts";

export interface ServingOptions {
  /** Netns of the host: where targets and the host's name servers are reached; undefined = the process's own. */
  readonly netns?: string | undefined;
  /** End of an idle udp flow; default 90 s. */
  readonly udpIdleMs?: number | undefined;
  readonly log: Log;
}

/** What a daemon has said it wants since it connected. */
export interface Mentioned {
  readonly owners: Set<string>;
  readonly sandboxes: Set<string>;
  readonly endpoints: Set<string>;
}

/** The largest question or reply of our own over UDP, in bytes. */
const ownDatagram = 4096;
const smallBatchSlots = 8;

/** Owned by the proxy's main program. */
export class Serving {
  readonly #forwards: ForwardTable;
  readonly #resolvers = new Map<string, SandboxResolver>();
  readonly #zones = new Zones();
  readonly streams = new HeldStreams();
  readonly #world: ResolverWorld;
  /** Opening a resolver takes a moment; a later wish for the same sandbox waits for it. */
  readonly #opening = new KeyedLock();

  constructor({ netns, udpIdleMs, log }: ServingOptions) {
    this.#forwards = new ForwardTable({ netns, ...(udpIdleMs === undefined ? {} : { idleMs: udpIdleMs }) });
    const outgoing = datagramBatch(ownDatagram);
    this.#world = {
      zones: this.#zones,
      pool: new UpstreamPool(outgoing, () => performance.now()),
      hostNetns: netns,
      load: { inFlight: 0 },
      batch: datagramBatch(ownDatagram),
      smallBatch: datagramBatch(ownDatagram, smallBatchSlots),
      outgoing,
      now: () => performance.now(),
      log,
    };
  }

  /** Takes the batches over, also when it throws. */
  setForwards(owner: string, forwards: readonly Forward[], held: readonly ParkedSockets[]): void {
    this.#forwards.set(owner, forwards, held);
  }

  /** The batches stay ours. */
  held(): ParkedSockets[] {
    return this.#forwards.held();
  }

  counters(): ProxyCounters {
    const records = this.#zones.endpointIds().length;
    return {
      ...this.#forwards.counters(),
      resolvers: this.#resolvers.size,
      records,
      questions: this.#world.load.inFlight,
    };
  }

  setRecord(endpointId: string, record: ZoneRecord | undefined): void {
    this.#zones.setRecord(endpointId, record);
  }

  /** A resolver that is not open yet gets these `ports` if they are free. */
  setResolver(
    sandboxId: string,
    config: ResolverConfig | undefined,
    ports?: ResolverPorts,
  ): Promise<ResolverPorts | undefined> {
    return this.#opening.run(sandboxId, () => this.#setResolver(sandboxId, config, ports));
  }

  /** Ends what was not mentioned. */
  async sweep({ owners, sandboxes, endpoints }: Mentioned): Promise<void> {
    const strange = (ids: Iterable<string>, known: Set<string>) => [...ids].filter((id) => !known.has(id));
    for (const owner of strange(this.#forwards.owners(), owners)) this.#forwards.set(owner, [], []);
    for (const id of strange(this.#zones.endpointIds(), endpoints)) this.#zones.setRecord(id, undefined);
    const gone = strange(this.#resolvers.keys(), sandboxes);
    await Promise.all(gone.map((id) => this.setResolver(id, undefined)));
  }

  close(): void {
    this.streams.close();
    this.#forwards.close();
    for (const resolver of this.#resolvers.values()) resolver.close();
    this.#resolvers.clear();
  }

  async #setResolver(
    sandboxId: string,
    config: ResolverConfig | undefined,
    ports: ResolverPorts | undefined,
  ): Promise<ResolverPorts | undefined> {
    const present = this.#resolvers.get(sandboxId);
    if (present && config && (await isIn(present, config.netns))) {
      present.update(config);
      return present.ports;
    }
    // the new one first: when it cannot be opened the old one serves on
    const opened = config && (await SandboxResolver.open(config, this.#world, ports));
    present?.close();
    if (opened) this.#resolvers.set(sandboxId, opened);
    else this.#resolvers.delete(sandboxId);
    return opened?.ports;
  }
}

async function isIn(resolver: SandboxResolver, netns: string): Promise<boolean> {
  try {
    return await resolver.isIn(netns);
  } catch (error) {
    throw new Error(`find the network namespace of a resolver: ${errorMessage(error)}`, { cause: error });
  }
}
