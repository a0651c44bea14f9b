// The proxy's forwards, and the sockets that it holds, by owner: what is wished against what runs.

import { type ParkedSockets, parkedKey } from "../kernel/parked.ts";
import { closeFd } from "../kernel/socket.ts";
import {
  type ForwarderCounters,
  type ForwardingOptions,
  type ForwardingThread,
  startForwarding,
} from "../kernel/splice.ts";
import {
  commonPorts,
  formatAddress,
  type PortRange,
  PortSpans,
  portRangeSize,
  portsWithout,
} from "../netip/index.ts";
import type { Forward } from "./types.ts";

/** Ports of one forward whose sockets are in one batch. */
interface Running extends Forward {
  /** The forwarding thread's word for the row that they are part of, and the first port of that row. */
  readonly id: number;
  readonly start: number;
  readonly batch: ParkedSockets;
}

interface Owned {
  readonly running: readonly Running[];
  readonly held: readonly ParkedSockets[];
}

const nothing: Owned = { running: [], held: [] };

/** Docker's proxy forgets a udp client after as long. */
const defaultIdleMs = 90_000;

/** Owns the forwarding thread and the batches. */
export class ForwardTable {
  readonly #thread: ForwardingThread;
  readonly #owners = new Map<string, Owned>();
  #nextId = 1;

  constructor(options: Partial<ForwardingOptions> = {}) {
    this.#thread = startForwarding({ idleMs: defaultIdleMs, ...options });
  }

  owners(): string[] {
    return [...this.#owners.keys()];
  }

  /** Every batch; the descriptors stay the table's. */
  held(): ParkedSockets[] {
    return [...this.#owners.values()].flatMap(({ held }) => held);
  }

  counters(): ForwarderCounters {
    return this.#thread.counters();
  }

  /**
   * Makes `wished` the owner's forwards and `held` what is kept for him. Takes all batches over, also when it throws.
   * Ports that lead where they led are not touched, in whatever batch their sockets come now. When a forward cannot be
   * served none of the new ones is.
   */
  set(owner: string, wished: readonly Forward[], held: readonly ParkedSockets[]): void {
    const before = this.#owners.get(owner) ?? nothing;
    const batches = adopted(before.held, held);
    const current = new Set(batches);
    // before the new ones start: a forward with a new target has the socket of the one that goes
    const kept = wishedParts(before.running, wished);
    this.#stop(gone(before.running, kept));
    const holders = new Holders(batches);
    const running = kept.flatMap((row) => (current.has(row.batch) ? [row] : this.#moved(row, holders)));
    let started: readonly Running[] = [];
    try {
      started = this.#startAll(missing(wished, running), holders);
    } finally {
      const after = { running: [...running, ...started], held: batches };
      if (batches.length > 0) this.#owners.set(owner, after);
      else this.#owners.delete(owner);
      for (const batch of before.held) if (!current.has(batch)) closeFd(batch.fd);
    }
  }

  close(): void {
    this.#thread.close();
    for (const { fd } of this.held()) closeFd(fd);
    this.#owners.clear();
  }

  #startAll(wished: readonly Forward[], holders: Holders): Running[] {
    const started: Running[] = [];
    try {
      for (const forward of wished) {
        const parts = holders.parts(forward);
        const [bare] = portsWithout(
          [forward.listenPorts],
          parts.map(({ listenPorts }) => listenPorts),
        );
        if (bare)
          throw new RangeError(`forward ${formatAddress(forward.listen)}:${bare.first}: no socket for it`);
        for (const part of parts) started.push(this.#start(part));
      }
      return started;
    } catch (error) {
      this.#stop(started);
      throw error;
    }
  }

  #start(part: Forward & { readonly batch: ParkedSockets }): Running {
    const id = this.#nextId++;
    const { listen, listenPorts: ports, target, targetPort, batch } = part;
    this.#thread.add(id, { parked: batch, listen, ports, target, targetPort });
    return { ...part, id, start: ports.first };
  }

  /** The same row on the batches of now; ports whose batch is gone and that nobody brought again end. */
  #moved(row: Running, holders: Holders): Running[] {
    const parts = holders.parts(row);
    for (const part of parts) {
      const { listen, listenPorts: ports, batch } = part;
      this.#thread.repark(portsOf(part), { parked: batch, listen, ports });
    }
    this.#stop(gone([row], parts));
    return parts;
  }

  #stop(rows: readonly Running[]): void {
    if (rows.length > 0) this.#thread.remove(rows.map(portsOf));
  }
}

function portsOf({ id, start, listenPorts }: Running) {
  return { id, first: listenPorts.first - start, count: portRangeSize(listenPorts) };
}

/** The batches of a new wish: what was there already stays, and its new copy is closed. */
function adopted(before: readonly ParkedSockets[], now: readonly ParkedSockets[]): ParkedSockets[] {
  const known = new Map(before.map((batch) => [parkedKey(batch), batch]));
  return now.map((batch) => {
    const same = known.get(parkedKey(batch));
    if (!same || same === batch) return batch;
    closeFd(batch.fd);
    return same;
  });
}

/** The parts of rows that are still wished. */
function wishedParts(rows: readonly Running[], wished: readonly Forward[]): Running[] {
  const ways = byKey(wished, wayOf);
  return rows.flatMap((row) => {
    const wishes = ways.get(wayOf(row))?.within(row.listenPorts) ?? [];
    return wishes.flatMap(({ ports }) => cut(row, commonPorts(row.listenPorts, ports)));
  });
}

/** What of `rows` is not in `kept`. */
function gone(rows: readonly Running[], kept: readonly Running[]): Running[] {
  const left = byKey(kept, ({ id }) => `${id}`);
  return rows.flatMap((row) => rest(row, left.get(`${row.id}`)));
}

/** What is wished and does not run. */
function missing(wished: readonly Forward[], running: readonly Running[]): Forward[] {
  const ways = byKey(running, wayOf);
  return wished.flatMap((wish) => rest(wish, ways.get(wayOf(wish))));
}

function rest<T extends Forward>(forward: T, taken: Spans<Forward> | undefined): T[] {
  const spans = taken?.within(forward.listenPorts) ?? [];
  const left = portsWithout(
    [forward.listenPorts],
    spans.map(({ ports }) => ports),
  );
  return left.flatMap((ports) => cut(forward, ports));
}

type Spans<T> = PortSpans<{ readonly ports: PortRange; readonly of: T }>;

function byKey<T extends Forward>(forwards: readonly T[], keyOf: (forward: T) => string) {
  const groups = Map.groupBy(forwards, keyOf);
  return new Map<string, Spans<T>>(
    [...groups].map(([key, group]) => [
      key,
      new PortSpans(group.map((of) => ({ ports: of.listenPorts, of }))),
    ]),
  );
}

/** Which batch holds which ports of which address. */
class Holders {
  readonly #byAddress: ReadonlyMap<string, PortSpans<ParkedSockets>>;

  constructor(batches: readonly ParkedSockets[]) {
    const places = batches.flatMap((batch) =>
      batch.addresses.map((address) => ({ key: `${batch.protocol} ${formatAddress(address)}`, batch })),
    );
    this.#byAddress = new Map(
      [...Map.groupBy(places, ({ key }) => key)].map(([key, group]) => [
        key,
        new PortSpans(group.map(({ batch }) => batch)),
      ]),
    );
  }

  /** The forward by the batches that hold its sockets. */
  parts<T extends Forward>(forward: T): (T & { readonly batch: ParkedSockets })[] {
    const { protocol, listen, listenPorts } = forward;
    const spans = this.#byAddress.get(`${protocol} ${formatAddress(listen)}`);
    const batches = spans?.within(listenPorts) ?? [];
    return batches.flatMap((batch) =>
      cut(forward, commonPorts(listenPorts, batch.ports)).map((part) => ({ ...part, batch })),
    );
  }
}

/** The part of a forward that some of its ports are. */
function cut<T extends Forward>(forward: T, listenPorts: PortRange | undefined): T[] {
  if (!listenPorts) return [];
  const targetPort = forward.targetPort + listenPorts.first - forward.listenPorts.first;
  return [{ ...forward, listenPorts, targetPort }];
}

/** Forwards that have it in common lead a port that both have to the same place. */
function wayOf({ protocol, listen, listenPorts, target, targetPort }: Forward): string {
  return `${protocol} ${formatAddress(listen)} ${formatAddress(target)} ${targetPort - listenPorts.first}`;
}
