// One question and the name servers that may answer it. They are asked in order, as resolv.conf(5) means them, but none
// is waited for longer than it deserves: silence, failure or an error answer brings the next one in, and one that is
// known to be dead is not waited for at all.

import { type Query, rcodes } from "../dns/index.ts";
import type { Transport } from "./responder.ts";
import type { Asked, Upstream } from "./upstream.ts";

export interface Patience {
  /** How long a server that is known to live has for itself before the next is asked too, ms. */
  readonly firstMs: number;
  /** The same for one that has not answered yet, or was silent of late. */
  readonly suspectMs: number;
  /** The same once all were asked, and when a later one says that nothing is there. */
  readonly againMs: number;
  /** When the question is given up, ms: before the five seconds of resolv.conf(5) are over. */
  readonly wholeMs: number;
}

const usualPatience: Patience = { firstMs: 400, suspectMs: 50, againMs: 1000, wholeMs: 4000 };

/** Docker asks as many. */
const mostServers = 3;

/** Resolves with the best answer there was (see Exchange), or undefined when nobody gave any. Never rejects. */
export function exchange(
  query: Query,
  transport: Transport,
  upstreams: readonly Upstream[],
  patience: Patience = usualPatience,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    new Exchange(query, transport, inOrder(upstreams), { patience, resolve }).start();
  });
}

/** The living first, each kind in the order given; a dead one leads when it is time to try it again. */
function inOrder(upstreams: readonly Upstream[]): Upstream[] {
  const living = upstreams.filter((upstream) => !upstream.isDown);
  const dead = upstreams.filter((upstream) => upstream.isDown);
  return [...living, ...dead].slice(0, mostServers);
}

interface Attempt {
  readonly upstream: Upstream;
  /** Place in the order. */
  readonly rank: number;
  readonly sinceMs: number;
  cancel: () => void;
  isOpen: boolean;
}

class Exchange {
  readonly #query: Query;
  readonly #transport: Transport;
  readonly #upstreams: readonly Upstream[];
  readonly #patience: Patience;
  readonly #resolve: (response: Buffer | undefined) => void;
  readonly #attempts: Attempt[] = [];
  readonly #deadline: NodeJS.Timeout;
  #timer: NodeJS.Timeout | undefined;
  #asked = 0;
  /** An answer that may still be bettered: an error, or from a later server that nothing is there. */
  #held: Buffer | undefined;
  #isDone = false;

  constructor(
    query: Query,
    transport: Transport,
    upstreams: readonly Upstream[],
    { patience, resolve }: { patience: Patience; resolve: (response: Buffer | undefined) => void },
  ) {
    this.#query = query;
    this.#transport = transport;
    this.#upstreams = upstreams;
    this.#patience = patience;
    this.#resolve = resolve;
    this.#deadline = setTimeout(() => this.#expire(), patience.wholeMs);
  }

  start(): void {
    for (const [rank, upstream] of this.#upstreams.entries())
      if (upstream.takeProbe()) this.#ask(upstream, rank);
    this.#askNext();
  }

  /** Asks the next server; after the last, once more from the first, since datagrams get lost. */
  #askNext(): void {
    const rank = this.#asked % Math.max(1, this.#upstreams.length);
    const upstream = this.#upstreams[rank];
    if (!upstream) {
      this.#finish(undefined);
      return;
    }
    const waitMs = this.#patienceWith(upstream, this.#asked++);
    const attempt = this.#ask(upstream, rank);
    this.#wait(waitMs, () => this.#onSilence(attempt));
  }

  /** Of the last in the order nothing is gained by suspicion: there is nobody else to ask. */
  #patienceWith(upstream: Upstream, asked: number): number {
    const { firstMs, suspectMs, againMs } = this.#patience;
    if (asked >= this.#upstreams.length) return againMs;
    return upstream.isProven || asked === this.#upstreams.length - 1 ? firstMs : suspectMs;
  }

  #wait(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms);
  }

  #ask(upstream: Upstream, rank: number): Attempt {
    const attempt: Attempt = {
      upstream,
      rank,
      sinceMs: upstream.now(),
      isOpen: true,
      cancel: () => undefined,
    };
    this.#attempts.push(attempt);
    attempt.cancel = upstream[this.#transport].ask(this.#query, (asked) => this.#onAsked(attempt, asked));
    return attempt;
  }

  #onSilence(attempt: Attempt): void {
    attempt.upstream.noteSilence(attempt.sinceMs);
    this.#askNext();
  }

  #onAsked(attempt: Attempt, asked: Asked): void {
    attempt.isOpen = false;
    if (asked.kind === "answered") attempt.upstream.noteAnswer();
    else attempt.upstream.noteFailure();
    if (this.#isDone) return;
    const response = asked.kind === "answered" ? asked.response : undefined;
    if (!response || !isUseful(response)) {
      this.#held ??= response;
      this.#onUseless();
      return;
    }
    this.#held = response;
    if (isPositive(response) || !this.#waitsForBetter(attempt.rank)) this.#finish(response);
    else this.#wait(this.#patience.againMs, () => this.#finish(this.#held));
  }

  #onUseless(): void {
    const open = this.#attempts.filter((attempt) => attempt.isOpen);
    if (this.#asked < this.#upstreams.length) this.#askNext();
    else if (open.length === 0) this.#finish(this.#held);
    else if (this.#held && isUseful(this.#held) && !open.some(({ upstream }) => !upstream.isDown))
      this.#finish(this.#held);
  }

  /** A server that comes first in the order has the say whether a name exists, while it is alive. */
  #waitsForBetter(rank: number): boolean {
    return this.#attempts.some((other) => other.isOpen && other.rank < rank && !other.upstream.isDown);
  }

  /** Open questions stay until the deadline: a late answer tells that its server lives. */
  #finish(response: Buffer | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    if (!this.#attempts.some((attempt) => attempt.isOpen)) clearTimeout(this.#deadline);
    this.#resolve(response);
  }

  #expire(): void {
    this.#finish(this.#held);
    for (const attempt of this.#attempts) if (attempt.isOpen) attempt.cancel();
  }
}

/** NOERROR and NXDOMAIN are answers; SERVFAIL, REFUSED and the rest say only that this server cannot help. */
function isUseful(response: Buffer): boolean {
  const rcode = response.readUInt16BE(2) & 0xf;
  return rcode === rcodes.noError || rcode === rcodes.nameError;
}

/** Records in the answer, or a hint to ask again over TCP. */
function isPositive(response: Buffer): boolean {
  return (response.readUInt16BE(2) & 0x0200) !== 0 || response.readUInt16BE(6) > 0;
}
