// The proxy's forwards by owner: what is wished against what runs.

import { closeFd } from "../kernel/socket.ts";
import {
  type ForwarderCounters,
  type ForwardingOptions,
  type ForwardingThread,
  startForwarding,
} from "../kernel/splice.ts";
import { formatAddress } from "../netip/index.ts";
import type { Forward } from "./types.ts";

interface Running {
  readonly id: number;
  /** Its socket is the forwarding thread's, and open as long as this entry is in the table. */
  readonly forward: Forward;
}

/** Docker's proxy forgets a udp client after as long. */
const defaultIdleMs = 90_000;

/** Owns the forwarding thread. */
export class ForwardTable {
  readonly #thread: ForwardingThread;
  readonly #owners = new Map<string, Map<string, Running>>();
  #nextId = 1;

  constructor(options: Partial<ForwardingOptions> = {}) {
    this.#thread = startForwarding({ idleMs: defaultIdleMs, ...options });
  }

  owners(): string[] {
    return [...this.#owners.keys()];
  }

  /** Every forward with its socket; the descriptors stay the table's. */
  forwards(): Forward[] {
    return [...this.#owners.values()].flatMap((running) =>
      [...running.values()].map(({ forward }) => forward),
    );
  }

  counters(): ForwarderCounters {
    return this.#thread.counters();
  }

  /**
   * Makes `wished` the owner's forwards; takes all their sockets over, also when it throws, and closes those of
   * forwards that run already. When one cannot be served none of the new ones is.
   */
  set(owner: string, wished: readonly Forward[]): void {
    const before = [...(this.#owners.get(owner) ?? [])];
    const wanted = new Set(wished.map(keyOf));
    // before the new ones start: a forward with a new target has the socket of the one that goes
    this.#stop(before.filter(([key]) => !wanted.has(key)).map(([, running]) => running));
    const after = new Map(before.filter(([key]) => wanted.has(key)));
    try {
      this.#startAll(after, wished);
    } finally {
      if (after.size > 0) this.#owners.set(owner, after);
      else this.#owners.delete(owner);
    }
  }

  close(): void {
    this.#owners.clear();
    this.#thread.close();
  }

  #startAll(after: Map<string, Running>, wished: readonly Forward[]): void {
    const started: Running[] = [];
    for (const [at, forward] of wished.entries()) {
      if (after.has(keyOf(forward))) {
        closeFd(forward.socket);
        continue;
      }
      try {
        const running = this.#start(forward);
        started.push(running);
        after.set(keyOf(forward), running);
      } catch (error) {
        for (const rest of wished.slice(at + 1)) closeFd(rest.socket);
        this.#stop(started);
        for (const running of started) after.delete(keyOf(running.forward));
        throw error;
      }
    }
  }

  #start(forward: Forward): Running {
    const id = this.#nextId++;
    const { socket: fd, protocol, target, targetPort } = forward;
    this.#thread.add(id, { fd, protocol, target, targetPort });
    return { id, forward };
  }

  #stop(running: readonly Running[]): void {
    if (running.length > 0) this.#thread.remove(running.map(({ id }) => id));
  }
}

function keyOf(forward: Forward): string {
  const { protocol, listen, listenPort, target, targetPort } = forward;
  return `${protocol} ${formatAddress(listen)} ${listenPort} ${formatAddress(target)} ${targetPort}`;
}
