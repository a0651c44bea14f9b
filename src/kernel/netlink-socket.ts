// The generic netlink socket: sends batches of requests in one sendmsg on a netlink thread of the addon and returns what
// the kernel answers. rtnetlink, nfnetlink (nftables/) and ctnetlink are built on it.
//
// A batch is over when the acknowledgement, error or end of dump of its last expecting request is in (one with
// NLM_F_ACK or NLM_F_DUMP), or when the kernel has no more to say. So:
// - rtnetlink: every request carries NLM_F_ACK; all are tried, each is acknowledged.
// - an nfnetlink transaction: BATCH_BEGIN, messages, the last of them with NLM_F_ACK, BATCH_END; errors of earlier
//   messages come in although they did not ask for an acknowledgement.

import { type Addon, addon } from "../../native/index.ts";
import { type Answer, encodeBatch, lastExpecting, type Outcome, readOutcome } from "./batch.ts";
import { decodeMessages, nlmFlag, nlmType } from "./codec.ts";
import { saying } from "./errors.ts";
import type { Request } from "./request.ts";

/** Netlink families (linux/netlink.h). */
export const netlinkProtocol = { route: 0, sockDiag: 4, xfrm: 6, netfilter: 12, generic: 16 } as const;

/** A netlink socket that stays in the namespace it was opened in and keeps it alive. Exchanges run one after the other. */
export interface NetlinkSocket extends AsyncDisposable {
  /**
   * Sends all requests at once and resolves with all that the kernel answered; its refusals are in `errors`. Rejects
   * only when the exchange itself fails (ENOBUFS: answers were lost and the outcome is unknown).
   */
  exchange(requests: readonly Request[]): Promise<Outcome>;
  /** Like `exchange`, but rejects with the first refusal. */
  send(requests: readonly Request[]): Promise<readonly Answer[]>;
  /** The parts of a dump; started again (a bounded number of times) when it was interrupted by a change. */
  dump(request: Request): Promise<readonly Answer[]>;
  /** After the exchanges under way. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens a netlink socket of a family (see `netlinkProtocol`) in a network namespace (path of its file; undefined = the
 * process's own). What takes the kernel long on one socket holds up no other. Rejects with KernelError: ENOENT when the
 * namespace is gone.
 */
export async function openNetlinkSocket(protocol: number, netns?: string): Promise<NetlinkSocket> {
  const native = addon();
  const words = `open netlink socket ${protocol}${netns ? ` in ${netns}` : ""}`;
  return new Socket(native, await saying(words, native.netlinkOpen(protocol, netns, [])));
}

// a dump that something keeps changing is taken as it is after so many attempts
const dumpAttempts = 10;

class Socket implements NetlinkSocket {
  readonly #native: Addon;
  readonly #fd: number;
  #sequence = 1;
  #closed: Promise<void> | undefined;

  constructor(native: Addon, fd: number) {
    this.#native = native;
    this.#fd = fd;
  }

  async exchange(requests: readonly Request[]): Promise<Outcome> {
    if (requests.length === 0) return { answers: [], errors: [] };
    const words = requests[0]?.words ?? "";
    if (this.#closed) throw new Error(`${words}: the netlink socket is closed`);
    const first = this.#reserve(requests.length);
    const last = first + lastExpecting(requests);
    const { bytes, files } = encodeBatch(requests, first);
    const received = await saying(words, this.#native.netlinkExchange(this.#fd, bytes, last, files));
    return readOutcome(requests, first, decodeMessages(received));
  }

  async send(requests: readonly Request[]): Promise<readonly Answer[]> {
    const { answers, errors } = await this.exchange(requests);
    if (errors[0]) throw errors[0];
    return answers;
  }

  async dump(request: Request): Promise<readonly Answer[]> {
    const dumping = { ...request, flags: request.flags | nlmFlag.dump };
    for (let attempt = 1; ; attempt++) {
      const answers = await this.send([dumping]);
      const interrupted = answers.some(({ flags }) => flags & nlmFlag.dumpInterrupted);
      if (!interrupted || attempt === dumpAttempts)
        return answers.filter(({ type }) => type !== nlmType.done);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#native.netlinkClose(this.#fd);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Consecutive numbers; 0 is left to the kernel's own messages. */
  #reserve(count: number): number {
    if (this.#sequence + count > 0xffffffff) this.#sequence = 1;
    const first = this.#sequence;
    this.#sequence += count;
    return first;
  }
}
