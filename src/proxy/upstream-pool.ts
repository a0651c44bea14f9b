// The name servers in use, one Upstream each: all sandboxes that ask a server from the host share it.

import { type DatagramBatch, datagramBatch } from "../kernel/datagrams.ts";
import { formatAddress } from "../netip/index.ts";
import { TcpAsker } from "./tcp-upstream.ts";
import { type AskingBatches, UdpAsker } from "./udp-upstream.ts";
import { type ServerAddress, Upstream } from "./upstream.ts";

interface Shared {
  readonly upstream: Upstream;
  users: number;
}

/** An upstream in use. */
export interface UpstreamLease {
  readonly upstream: Upstream;
  /** The last user's closes it. Idempotent. */
  release(): void;
}

/** Answers over UDP are never larger than what askers say they take; most say 4096 or less. */
const largestAnswer = 16_384;

/** Owned by the proxy; sandboxes borrow from it. */
export class UpstreamPool {
  readonly #batches: AskingBatches;
  readonly #shared = new Map<string, Shared>();
  readonly #now: () => number;

  /** `outgoing` is the memory of all outboxes; `now` a clock in ms. */
  constructor(outgoing: DatagramBatch, now: () => number) {
    this.#batches = { incoming: datagramBatch(largestAnswer), outgoing };
    this.#now = now;
  }

  lease(server: ServerAddress): UpstreamLease {
    const key = `${server.netns ?? ""} ${formatAddress(server.address)} ${server.zone ?? ""} ${server.port}`;
    const shared = this.#shared.get(key) ?? { upstream: this.#open(server), users: 0 };
    this.#shared.set(key, shared);
    shared.users++;
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      if (--shared.users > 0) return;
      this.#shared.delete(key);
      shared.upstream.close();
    };
    return { upstream: shared.upstream, release };
  }

  #open(server: ServerAddress): Upstream {
    return new Upstream({ udp: new UdpAsker(server, this.#batches), tcp: new TcpAsker(server) }, this.#now);
  }
}
