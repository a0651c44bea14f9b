// Whom to count on: whether this host may still hand out what is its own, and which hosts are gone for so long that what
// they had may be given to others. The two must never both be true of a host; each errs on the safe side of the grace time.

import type { ClusterAccess } from "../../src/driverapi/index.ts";
import type { Clock } from "./clock.ts";

export interface StandingOptions {
  readonly cluster: ClusterAccess;
  readonly clock: Clock;
  /** How long after its lease a host keeps what it has. */
  readonly graceMs: () => number;
  /** How often `tick` is called. */
  readonly tickMs: number;
}

/** A tick that comes later than this many means that the process, or the machine, stood still. */
const lateTicks = 3;

export class Standing {
  readonly #options: StandingOptions;
  /** Since when hosts are seen to have no lease. */
  readonly #goneSinceMs = new Map<string, number>();
  /** When this host last knew that its own lease lives. */
  #knownAliveMs = Number.NEGATIVE_INFINITY;
  #tickedMs: number;
  #wasConnected = false;

  constructor(options: StandingOptions) {
    this.#options = options;
    this.#tickedMs = options.clock.now();
  }

  get isConnected(): boolean {
    return this.#options.cluster.state === "connected";
  }

  get hasLease(): boolean {
    const { cluster } = this.#options;
    return this.isConnected && cluster.isAlive(cluster.self.id);
  }

  /** Whether nobody can have taken this host's blocks: it had its lease a moment ago, as others see it. */
  get isTrusted(): boolean {
    return this.#options.clock.now() - this.#knownAliveMs < this.#options.graceMs();
  }

  /** What this host has was confirmed by the store. */
  trust(): void {
    this.#knownAliveMs = this.#options.clock.now();
  }

  /** Called all the time, and whenever a lease begins or ends or the store goes or comes. */
  tick(): void {
    const { cluster, clock, tickMs } = this.#options;
    const now = clock.now();
    const stoodStill = now - this.#tickedMs > lateTicks * tickMs;
    // while nothing was heard others may have come back
    if (stoodStill || (this.isConnected && !this.#wasConnected)) this.#goneSinceMs.clear();
    this.#wasConnected = this.isConnected;
    this.#tickedMs = now;
    if (this.hasLease && this.isTrusted) this.trust();
    for (const { key } of cluster.nodes.entries()) this.#note(key);
    for (const id of [...this.#goneSinceMs.keys()]) this.#note(id);
  }

  /** A host did something: whatever was thought of it, its time begins anew. */
  signOfLife(nodeId: string): void {
    if (this.#goneSinceMs.has(nodeId)) this.#goneSinceMs.set(nodeId, this.#options.clock.now());
  }

  /** Whether a host has had no lease for longer than the grace time, so that others may take what it had. */
  isGone(nodeId: string): boolean {
    const { clock, graceMs, tickMs } = this.#options;
    const now = clock.now();
    if (!this.hasLease || !this.isTrusted || now - this.#tickedMs > lateTicks * tickMs) return false;
    this.#note(nodeId);
    const since = this.#goneSinceMs.get(nodeId);
    return since !== undefined && now - since > graceMs();
  }

  #note(nodeId: string): void {
    const { cluster, clock } = this.#options;
    if (cluster.isAlive(nodeId)) this.#goneSinceMs.delete(nodeId);
    else if (!this.#goneSinceMs.has(nodeId)) this.#goneSinceMs.set(nodeId, clock.now());
  }
}
