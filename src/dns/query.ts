// DNS messages as they come in: a query is read once here, or refused. The codec is dns-packet; what it would be made
// to allocate or walk for nothing (RFC 9619: one question; no answers in a query) is turned away before it is called.

import * as packet from "dns-packet";

/** Response codes of RFC 1035 §4.1.1 and RFC 6891 §9. */
export const rcodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

export interface Edns {
  readonly version: number;
  /** The largest UDP payload the asker takes, in bytes; at least 512. */
  readonly udpSize: number;
}

/** One question of class IN, with what is needed to answer it or to pass it on unchanged. */
export interface Query {
  readonly bytes: Buffer;
  readonly id: number;
  /** As it was asked: the answer echoes it, case included. */
  readonly question: packet.Question;
  /** Lower case, without the final dot; "" is the root. */
  readonly name: string;
  readonly type: string;
  /** Offset just after the question. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

/** `drop`: not a query at all, an answer to it could start a loop. */
export type Parsed =
  | { readonly kind: "query"; readonly query: Query }
  | { readonly kind: "error"; readonly reply: Buffer }
  | { readonly kind: "drop" };

const headerSize = 12;
const maxAdditionals = 4;
const smallestUdpSize = 512;

/** Reads a message; never throws. */
export function parseQuery(bytes: Buffer): Parsed {
  if (bytes.length < headerSize) return { kind: "drop" };
  const flags = bytes.readUInt16BE(2);
  if (flags & 0x8000) return { kind: "drop" };
  if ((flags >> 11) & 0xf) return failed(bytes, rcodes.notImplemented);
  if (!hasCountsOfQuery(bytes)) return failed(bytes, rcodes.formatError);
  return readQuestion(bytes);
}

/** Offset just after the question, or undefined when there is no well-formed one. A name has at most 255 bytes. */
export function questionEnd(bytes: Buffer): number | undefined {
  let at = headerSize;
  while (at < headerSize + 255) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at += length + 1;
    if (length === 0) return at + 4 <= bytes.length ? at + 4 : undefined;
  }
  return undefined;
}

/** True when `response` is one, has the wanted id, and repeats the question of `query` (case aside). */
export function answersQuery(response: Buffer, id: number, query: Query): boolean {
  if (response.length < query.questionEnd || response.readUInt16BE(0) !== id) return false;
  if (!(response.readUInt16BE(2) & 0x8000) || response.readUInt16BE(4) !== 1) return false;
  for (let at = headerSize; at < query.questionEnd; at++) {
    if (lowerByte(response[at]) !== lowerByte(query.bytes[at])) return false;
  }
  return true;
}

function lowerByte(byte: number | undefined): number | undefined {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function hasCountsOfQuery(bytes: Buffer): boolean {
  const [questions, answers, authorities] = [4, 6, 8].map((at) => bytes.readUInt16BE(at));
  return questions === 1 && answers === 0 && authorities === 0 && bytes.readUInt16BE(10) <= maxAdditionals;
}

function readQuestion(bytes: Buffer): Parsed {
  const end = questionEnd(bytes);
  const decoded = end === undefined ? undefined : tryDecode(bytes);
  const question = decoded?.questions?.[0];
  if (end === undefined || !question) return failed(bytes, rcodes.formatError);
  if (question.class !== "IN") return failed(bytes, rcodes.refused);
  const edns = ednsOf(decoded?.additionals ?? []);
  const name = question.name === "." ? "" : question.name.toLowerCase();
  const id = bytes.readUInt16BE(0);
  return {
    kind: "query",
    query: { bytes, id, question, name, type: question.type, questionEnd: end, edns },
  };
}

function tryDecode(bytes: Buffer): packet.DecodedPacket | undefined {
  try {
    return packet.decode(bytes);
  } catch {
    return undefined; // the library throws plain errors for everything that is malformed
  }
}

function ednsOf(additionals: readonly packet.Answer[]): Edns | undefined {
  const opt = additionals.find((record) => record.type === "OPT");
  if (!opt) return undefined;
  return { version: opt.ednsVersion, udpSize: Math.max(smallestUdpSize, opt.udpPayloadSize) };
}

/** A bare header: the question may be what is broken. */
function failed(bytes: Buffer, rcode: number): Parsed {
  const reply = Buffer.alloc(headerSize);
  bytes.copy(reply, 0, 0, 4);
  reply.writeUInt16BE(0x8000 | (bytes.readUInt16BE(2) & 0x7900) | rcode, 2);
  return { kind: "error", reply };
}
