// The generic netlink socket: sends batches of requests in one sendmsg on the addon's netlink thread and returns what
// the kernel answers. rtnetlink, nfnetlink (nftables/) and ctnetlink are built on it.
//
// A batch is over when the acknowledgement, error or end of dump of its last expecting request is in (one with
// NLM_F_ACK or NLM_F_DUMP), or when the kernel has no more to say. So:
// - rtnetlink: every request carries NLM_F_ACK; all are tried, each is acknowledged.
// - an nfnetlink transaction: BATCH_BEGIN, messages, the last of them with NLM_F_ACK, BATCH_END; errors of earlier
//   messages come in although they did not ask for an acknowledgement.

import { type Addon, addon } from "../../native/index.ts";
import {
  Attributes,
  align,
  decodeMessages,
  encodeHeader,
  headerSize,
  type Message,
  nlmFlag,
  nlmType,
} from "./codec.ts";
import { KernelError, kernelError, NetlinkError, saying } from "./errors.ts";
import type { Request } from "./request.ts";

/** Netlink families (linux/netlink.h). */
export const netlinkProtocol = { route: 0, sockDiag: 4, xfrm: 6, netfilter: 12, generic: 16 } as const;

/** One answer: `request` is the position in the batch of the request that it answers. */
export interface Answer {
  readonly request: number;
  readonly type: number;
  readonly flags: number;
  /** Without the header; valid as long as you keep it. */
  readonly payload: Buffer;
}

/** An error or acknowledgement of one request of a batch. */
export interface Outcome {
  readonly answers: Answer[];
  /** In the order of the kernel; empty = everything was done. */
  readonly errors: NetlinkError[];
}

/** A netlink socket that stays in the namespace it was opened in. Exchanges run one after the other. */
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
 * process's own). Rejects with KernelError: ENOENT when the namespace is gone.
 */
export async function openNetlinkSocket(protocol: number, netns?: string): Promise<NetlinkSocket> {
  const native = addon();
  try {
    return new Socket(native, await native.netlinkOpen(protocol, netns, []));
  } catch (error) {
    throw kernelError(`open netlink socket ${protocol}${netns ? ` in ${netns}` : ""}`, error);
  }
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

function isExpecting({ flags }: Request): boolean {
  return (flags & nlmFlag.ack) !== 0 || (flags & nlmFlag.dump) === nlmFlag.dump;
}

function lastExpecting(requests: readonly Request[]): number {
  const last = requests.findLastIndex(isExpecting);
  return last < 0 ? requests.length - 1 : last;
}

function encodeBatch(
  requests: readonly Request[],
  first: number,
): { bytes: Buffer; files: (number | string)[] } {
  const size = requests.reduce((sum, { payload }) => sum + headerSize + align(payload.length), 0);
  const bytes = Buffer.alloc(size);
  const files: (number | string)[] = [];
  let at = 0;
  for (const [index, { type, flags, payload, files: wanted }] of requests.entries()) {
    encodeHeader(bytes, at, {
      type,
      flags: flags | nlmFlag.request,
      sequence: first + index,
      length: payload.length,
    });
    bytes.set(payload, at + headerSize);
    for (const { offset, path } of wanted ?? []) files.push(at + headerSize + offset, path);
    at += headerSize + align(payload.length);
  }
  return { bytes, files };
}

function readOutcome(requests: readonly Request[], first: number, messages: readonly Message[]): Outcome {
  const answers: Answer[] = [];
  const errors: NetlinkError[] = [];
  const last = requests[lastExpecting(requests)];
  let complete = last === undefined || !isExpecting(last);
  for (const { type, flags, sequence, payload } of messages) {
    const index = sequence - first;
    const request = requests[index];
    if (!request) continue; // the answer to an exchange that was broken off
    const completes = type === nlmType.error || type === nlmType.done;
    if (completes && request === last) complete = true;
    const errno = completes ? failureOf(payload) : 0;
    if (errno !== 0) errors.push(new NetlinkError(request, errno, extendedText(type, flags, payload)));
    else if (type !== nlmType.error) answers.push({ request: index, type, flags, payload });
  }
  // a transaction that is refused as a whole answers with the error alone
  if (!complete && errors.length === 0)
    throw new KernelError(last?.words ?? "", 71, "the kernel did not answer");
  return { answers, errors };
}

/** Errors and ends of dumps begin with 0 or a negative errno. */
function failureOf(payload: Buffer): number {
  return payload.length >= 4 ? Math.abs(payload.readInt32LE()) : 0;
}

const extendedMessage = 1; // NLMSGERR_ATTR_MSG

/** The kernel's own words (NETLINK_EXT_ACK), behind the errno and, in errors, the header of the request. */
function extendedText(type: number, flags: number, payload: Buffer): string | undefined {
  if (!(flags & nlmFlag.ackTlvs)) return undefined;
  const attributes = new Attributes(payload.subarray(type === nlmType.error ? 4 + headerSize : 4));
  const text = attributes.string(extendedMessage);
  return text?.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase()).replace(/\.$/, "");
}
