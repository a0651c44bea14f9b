// DNS messages as they go out: replies made here, and upstream's replies cut to what the asker can take.

import * as packet from "dns-packet";
import type { Query } from "./query.ts";
import { rcodes } from "./query.ts";

export interface ReplyContent {
  /** 0–15, or 16 (BADVERS) when the query has EDNS. */
  readonly rcode: number;
  readonly records?: readonly packet.Answer[];
  /** We own the name. */
  readonly authoritative?: boolean;
}

const flagTruncated = 0x0200;
const flagAuthoritative = 0x0400;
const flagRecursionAvailable = 0x0080;
/** What we say we take; the asker sits on the same loopback. */
const ownUdpSize = 4096;

/** The reply to a query that came over UDP (cut to its size, with TC) or TCP (never cut). */
export function encodeReply(query: Query, content: ReplyContent, transport: "udp" | "tcp"): Buffer {
  const flags = replyFlags(query) | (content.authoritative ? flagAuthoritative : 0);
  const records = content.records ?? [];
  if (records.length === 0) return withoutRecords(query, flags, content.rcode);
  const bytes = packet.encode({
    type: "response",
    id: query.id,
    flags,
    questions: [query.question],
    answers: [...records],
    additionals: query.edns ? [ownOpt(content.rcode)] : [],
  });
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | (content.rcode & 0xf), 2);
  return transport === "udp" && bytes.length > udpLimit(query)
    ? withoutRecords(query, flags | flagTruncated, content.rcode)
    : bytes;
}

/** Upstream's reply under the asker's id; over UDP, one that is too large becomes an empty one with TC. */
export function relayReply(query: Query, response: Buffer, transport: "udp" | "tcp"): Buffer {
  if (transport === "udp" && response.length > udpLimit(query))
    return withoutRecords(query, replyFlags(query) | flagTruncated, response.readUInt16BE(2) & 0xf);
  const relayed = Buffer.from(response);
  relayed.writeUInt16BE(query.id, 0);
  query.bytes.copy(relayed, 12, 12, query.questionEnd); // the asker's own mix of cases
  return relayed;
}

/** The largest UDP reply the asker takes, in bytes (RFC 6891 §6.2.3; 512 without EDNS). */
export function udpLimit(query: Query): number {
  return query.edns?.udpSize ?? 512;
}

function replyFlags(query: Query): number {
  const asked = query.bytes.readUInt16BE(2);
  return 0x8000 | flagRecursionAvailable | (asked & 0x0110); // RD and CD are repeated
}

function withoutRecords(query: Query, flags: number, rcode: number): Buffer {
  const opt = query.edns ? encodedOpt(rcode) : Buffer.alloc(0);
  const reply = Buffer.concat([query.bytes.subarray(0, query.questionEnd), opt]);
  reply.writeUInt16BE(flags | (rcode & 0xf), 2);
  reply.writeUInt16BE(1, 4);
  reply.fill(0, 6, 12);
  reply.writeUInt16BE(query.edns ? 1 : 0, 10);
  return reply;
}

function ownOpt(rcode: number): packet.OptAnswer {
  const extendedRcode = rcode >> 4;
  const shape = { type: "OPT", name: ".", udpPayloadSize: ownUdpSize, ednsVersion: 0 } as const;
  return { ...shape, extendedRcode, flags: 0, flag_do: false, options: [] };
}

/** An OPT record without options is eleven fixed bytes (RFC 6891 §6.1.2). */
function encodedOpt(rcode: number): Buffer {
  const opt = Buffer.from([0, 0, 41, 0, 0, 0, 0, 0, 0, 0, 0]);
  opt.writeUInt16BE(ownUdpSize, 3);
  opt[5] = rcode >> 4;
  return opt;
}

/** SERVFAIL: nobody could be asked. */
export function serverFailure(query: Query): Buffer {
  return encodeReply(query, { rcode: rcodes.serverFailure }, "udp");
}

/** REFUSED: too much was asked at once. */
export function refusal(query: Query): Buffer {
  return encodeReply(query, { rcode: rcodes.refused }, "udp");
}
