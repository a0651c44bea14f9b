// A batch of requests as bytes, and what its answers mean: pure, the socket is in netlink-socket.ts.

import { Attributes, align, encodeHeader, headerSize, type Message, nlmFlag, nlmType } from "./codec.ts";
import { KernelError, NetlinkError } from "./errors.ts";
import type { Request } from "./request.ts";

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

function isExpecting({ flags }: Request): boolean {
  return (flags & nlmFlag.ack) !== 0 || (flags & nlmFlag.dump) === nlmFlag.dump;
}

/** The position of the last request whose answer ends the exchange; of the last one where none expects any. */
export function lastExpecting(requests: readonly Request[]): number {
  const last = requests.findLastIndex(isExpecting);
  return last < 0 ? requests.length - 1 : last;
}

/** The bytes of a batch, numbered from `first` on, and the namespace files to open for it: [offset, path, …]. */
export function encodeBatch(
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

/** What the kernel said to each request. Throws when the last expecting one was neither answered nor refused. */
export function readOutcome(
  requests: readonly Request[],
  first: number,
  messages: readonly Message[],
): Outcome {
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
