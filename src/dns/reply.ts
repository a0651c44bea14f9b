// DNS messages as they go out: replies made here, and upstream's replies cut to what the asker can take.

import { headerSize, type Query, rcodes, recordEnd, recordTypes } from "./query.ts";

/** A record of the name that was asked for. */
export interface AnswerRecord {
  readonly type: number;
  /** As it goes on the wire. */
  readonly data: Uint8Array;
}

export interface ReplyContent {
  /** 0–15, or 16 (BADVERS) when the query has EDNS. */
  readonly rcode: number;
  readonly records?: readonly AnswerRecord[];
  /** We own the name. */
  readonly authoritative?: boolean;
  /**
   * With a negative answer: how many of the name's first labels do not belong to the zone that says so. Its SOA goes
   * along, without which a cache must not keep the answer (RFC 2308 §5).
   */
  readonly zoneAfter?: number;
}

/** Seconds. Short, since a container that restarts may come back with another address, and a name may come any time. */
export const ttlSeconds = 1;

const flagTruncated = 0x0200;
const flagAuthoritative = 0x0400;
const flagRecursionAvailable = 0x0080;
/** What we say we take; the asker sits on the same loopback. */
const ownUdpSize = 4096;
const optSize = 11;
/** Of a record whose name is a pointer. */
const recordHead = 12;
const classInternet = 1;

/** The reply to a query that came over UDP (cut to its size, with TC) or TCP (never cut). */
export function encodeReply(query: Query, content: ReplyContent, transport: "udp" | "tcp"): Buffer {
  const limit = transport === "udp" ? udpLimit(query) : 65_535;
  const writer = new Writer(query);
  const room = limit - (query.edns ? optSize : 0);
  const all = content.records ?? [];
  const fitting = all.findIndex((record) => !writer.answer(record, room));
  if (content.zoneAfter !== undefined) writer.authority(content.zoneAfter);
  const truncated = fitting < 0 ? 0 : flagTruncated;
  const authoritative = content.authoritative ? flagAuthoritative : 0;
  return writer.end(replyFlags(query) | truncated | authoritative, content.rcode);
}

/** Where the records of a reply of ours lie when the same ones in any order make it another good reply; else undefined. */
export function movingRecords(
  { questionEnd: from }: Query,
  { records = [] }: ReplyContent,
  reply: Buffer,
): { readonly from: number; readonly size: number; readonly count: number } | undefined {
  const isCut = (reply.readUInt16BE(2) & flagTruncated) !== 0; // others may have fitted
  const size = recordHead + (records[0]?.data.length ?? 0);
  if (isCut || records.some(({ data }) => recordHead + data.length !== size)) return undefined;
  return { from, size, count: records.length };
}

/**
 * Upstream's reply under the asker's id; over UDP, one that is too large keeps the answers that fit and gets TC: some
 * askers never come back over TCP. The bytes of `response` are taken over.
 */
export function relayReply(query: Query, response: Buffer, transport: "udp" | "tcp"): Buffer {
  const whole = transport === "udp" && response.length > udpLimit(query) ? cut(query, response) : response;
  whole.writeUInt16BE(query.id, 0);
  query.bytes.copy(whole, headerSize, headerSize, query.questionEnd); // the asker's own mix of cases
  return whole;
}

/** The largest UDP reply the asker takes, in bytes (RFC 6891 §6.2.3; 512 without EDNS). */
export function udpLimit(query: Query): number {
  return query.edns?.udpSize ?? 512;
}

/** SERVFAIL: nobody could be asked. */
export function serverFailure(query: Query): Buffer {
  return encodeReply(query, { rcode: rcodes.serverFailure }, "udp");
}

/** REFUSED: too much was asked at once. */
export function refusal(query: Query): Buffer {
  return encodeReply(query, { rcode: rcodes.refused }, "udp");
}

function replyFlags(query: Query): number {
  const asked = query.bytes.readUInt16BE(2);
  return 0x8000 | flagRecursionAvailable | (asked & 0x0110); // RD and CD are repeated
}

/** The answers that fit, in order; pointers in them lead back only, so nothing that stays is broken. */
function cut(query: Query, response: Buffer): Buffer {
  const room = udpLimit(query) - (query.edns ? optSize : 0);
  const answers = response.readUInt16BE(6);
  let end = query.questionEnd;
  let kept = 0;
  for (; kept < answers; kept++) {
    const next = recordEnd(response, end);
    if (next === undefined || next > room) break;
    end = next;
  }
  const flags = response.readUInt16BE(2);
  const opt = query.edns ? encodedOpt(query, flags & 0xf) : Buffer.alloc(0);
  const short = Buffer.concat([response.subarray(0, end), opt]);
  short.writeUInt16BE(flags | flagTruncated, 2);
  short.writeUInt16BE(kept, 6);
  short.writeUInt16BE(0, 8);
  short.writeUInt16BE(query.edns ? 1 : 0, 10);
  return short;
}

/** An OPT record without options is eleven fixed bytes (RFC 6891 §6.1.2). */
function encodedOpt({ edns }: Query, rcode: number): Buffer {
  const opt = Buffer.from([0, 0, recordTypes.opt, 0, 0, 0, 0, 0, 0, 0, 0]);
  opt.writeUInt16BE(ownUdpSize, 3);
  opt[5] = rcode >> 4;
  if (edns?.dnssecOk) opt[7] = 0x80;
  return opt;
}

/** One reply in the making: the question again, then records, then OPT. */
class Writer {
  readonly #query: Query;
  readonly #parts: Uint8Array[];
  #size: number;
  #answers = 0;
  #authorities = 0;

  constructor(query: Query) {
    this.#query = query;
    this.#parts = [query.bytes.subarray(0, query.questionEnd)];
    this.#size = query.questionEnd;
  }

  /** False when the message would be larger than `room`. */
  answer({ type, data }: AnswerRecord, room: number): boolean {
    if (this.#size + recordHead + data.length > room) return false;
    this.#record(pointerTo(headerSize), type, data);
    this.#answers++;
    return true;
  }

  /** The SOA of a zone that begins after so many labels of the name (RFC 6303 §3 has such zones). */
  authority(labels: number): void {
    const zone = this.#zone(labels);
    const numbers = Buffer.alloc(20);
    for (const [at, value] of [1, 3600, 1200, 604_800, ttlSeconds].entries())
      numbers.writeUInt32BE(value, at * 4);
    this.#record(zone, recordTypes.soa, Buffer.concat([zone, nobody, numbers]));
    this.#authorities++;
  }

  end(flags: number, rcode: number): Buffer {
    if (this.#query.edns) this.#add(encodedOpt(this.#query, rcode));
    const bytes = Buffer.concat(this.#parts, this.#size);
    bytes.writeUInt16BE(flags | (rcode & 0xf), 2);
    bytes.writeUInt16BE(1, 4);
    bytes.writeUInt16BE(this.#answers, 6);
    bytes.writeUInt16BE(this.#authorities, 8);
    bytes.writeUInt16BE(this.#query.edns ? 1 : 0, 10);
    return bytes;
  }

  #record(name: Buffer, type: number, data: Uint8Array): void {
    const fields = Buffer.alloc(10);
    fields.writeUInt16BE(type, 0);
    fields.writeUInt16BE(classInternet, 2);
    fields.writeUInt32BE(ttlSeconds, 4);
    fields.writeUInt16BE(data.length, 8);
    for (const part of [name, fields, data]) this.#add(part);
  }

  #add(part: Uint8Array): void {
    this.#parts.push(part);
    this.#size += part.length;
  }

  /** A pointer into the question, or the root. */
  #zone(labels: number): Buffer {
    const { bytes } = this.#query;
    let at = headerSize;
    for (let left = labels; left > 0; left--) at += (bytes[at] ?? 0) + 1;
    return bytes[at] ? pointerTo(at) : Buffer.of(0);
  }
}

/** nobody.invalid. (RFC 6303 §3): there is nobody to write to. */
const nobody = Buffer.from("\x06nobody\x07invalid\x00", "latin1");

function pointerTo(offset: number): Buffer {
  return Buffer.of(0xc0 | (offset >> 8), offset & 0xff);
}

/** A name as it goes on the wire, labels being what dots separate; undefined when it cannot (RFC 1035 §2.3.4). */
export function encodeName(name: string): Buffer | undefined {
  const labels = name.split(".").map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > 63)) return undefined;
  const bytes = Buffer.concat([...labels.flatMap((label) => [Buffer.of(label.length), label]), Buffer.of(0)]);
  return bytes.length > 255 ? undefined : bytes;
}
