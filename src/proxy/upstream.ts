// One name server and what is known of its health. How it is asked is udp-upstream.ts's and tcp-upstream.ts's.

import type { Query } from "../dns/index.ts";
import type { Address } from "../netip/index.ts";

export interface ServerAddress {
  /** Path of the namespace to ask from; undefined = the process's own. */
  readonly netns: string | undefined;
  readonly address: Address;
  readonly port: number;
  /** Name or index of the link that a link-local address is on. */
  readonly zone?: string;
}

/** What became of asking. Silence is not told: who asks has a clock. */
export type Asked =
  | { readonly kind: "answered"; readonly response: Buffer }
  | { readonly kind: "failed"; readonly reason: string };

/** A way to ask one server. */
export interface Asker {
  /** `settle` is called at most once, never from within; the result forgets the question. */
  ask(query: Query, settle: (asked: Asked) => void): () => void;
  close(): void;
}

/** Unanswered questions in a row after which a server is taken for dead. */
const strikesOut = 3;
/** How often a dead one is tried. */
const probeMs = 1000;

/** Owned by the pool; resolvers borrow it. */
export class Upstream {
  readonly udp: Asker;
  readonly tcp: Asker;
  /** A clock in ms. */
  readonly now: () => number;
  #strikes = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #probedMs = 0;

  constructor(askers: { readonly udp: Asker; readonly tcp: Asker }, now: () => number) {
    this.udp = askers.udp;
    this.tcp = askers.tcp;
    this.now = now;
  }

  get isDown(): boolean {
    return this.#strikes >= strikesOut;
  }

  /** It has answered, and let no question wait since: worth waiting for. */
  get isProven(): boolean {
    return this.#strikes === 0 && this.#answeredMs > Number.NEGATIVE_INFINITY;
  }

  /** It answered, whatever it said and however late. */
  noteAnswer(): void {
    this.#strikes = 0;
    this.#answeredMs = this.now();
  }

  /** It let a question of that time wait; a slow name is no sign of death where others were answered since. */
  noteSilence(sinceMs: number): void {
    if (this.#answeredMs >= sinceMs) return;
    if (++this.#strikes === strikesOut) this.#probedMs = this.now();
  }

  /** It cannot be reached: no more waiting for it. */
  noteFailure(): void {
    if (!this.isDown) this.#probedMs = this.now();
    this.#strikes = strikesOut;
  }

  /** True once in a while for a dead one: ask it too, and do not wait. */
  takeProbe(): boolean {
    if (!this.isDown || this.now() - this.#probedMs < probeMs) return false;
    this.#probedMs = this.now();
    return true;
  }

  close(): void {
    this.udp.close();
    this.tcp.close();
  }
}
