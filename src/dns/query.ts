// DNS messages as they come in: a query is read once here, or refused. A query is a header, one question (RFC 9619), no
// answers and at most a few additional records; whatever else comes is turned away before anything is made of it.

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

/** Types that we have records of, or say something about (RFC 1035 §3.2.2, 3596, 6891). */
export const recordTypes = { a: 1, soa: 6, ptr: 12, aaaa: 28, opt: 41, any: 255 } as const;

export interface Edns {
  readonly version: number;
  /** The largest UDP payload the asker takes, in bytes; at least 512. */
  readonly udpSize: number;
  /** The DO bit, which is repeated in the answer (RFC 3225 §3). */
  readonly dnssecOk: boolean;
}

/** One question of class IN, with what is needed to answer it or to pass it on unchanged. */
export interface Query {
  /** The whole message; the answer repeats its question byte for byte, case included. */
  readonly bytes: Buffer;
  readonly id: number;
  /** Lower case, without the final dot; "" is the root. A dot within a label is written `\.`. */
  readonly name: string;
  /** How many labels the name has: a dot within one makes it no longer. */
  readonly labels: number;
  readonly type: number;
  /** Offset just after the question. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

/** `drop`: not a query at all, an answer to it could start a loop. */
export type Parsed =
  | { readonly kind: "query"; readonly query: Query }
  | { readonly kind: "error"; readonly reply: Buffer }
  | { readonly kind: "drop" };

/** Bytes before the question: the header. */
export const headerSize = 12;
const maxAdditionals = 4;
const smallestUdpSize = 512;
const classInternet = 1;
const flagDnssecOk = 0x8000;

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

/** Offset just after the record at `at`, or undefined when it is cut off. Its name may end in a pointer. */
export function recordEnd(bytes: Buffer, at: number): number | undefined {
  const fields = nameEnd(bytes, at);
  if (fields === undefined || fields + 10 > bytes.length) return undefined;
  const end = fields + 10 + bytes.readUInt16BE(fields + 8);
  return end <= bytes.length ? end : undefined;
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
  const hasQuestionAlone =
    bytes.readUInt16BE(4) === 1 && bytes.readUInt16BE(6) === 0 && bytes.readUInt16BE(8) === 0;
  return hasQuestionAlone && bytes.readUInt16BE(10) <= maxAdditionals;
}

function readQuestion(bytes: Buffer): Parsed {
  const end = questionEnd(bytes);
  const edns = end === undefined ? "malformed" : readEdns(bytes, end);
  if (end === undefined || edns === "malformed") return failed(bytes, rcodes.formatError);
  if (bytes.readUInt16BE(end - 2) !== classInternet) return failed(bytes, rcodes.refused);
  const [id, type] = [bytes.readUInt16BE(0), bytes.readUInt16BE(end - 4)];
  return { kind: "query", query: { bytes, id, type, questionEnd: end, edns, ...readName(bytes) } };
}

/** The question's name, which is known to be well-formed. */
function readName(bytes: Buffer): { name: string; labels: number } {
  let name = "";
  let labels = 0;
  for (let at = headerSize, length = bytes[at] ?? 0; length > 0; at += length + 1, length = bytes[at] ?? 0) {
    const label = bytes.toString("utf8", at + 1, at + 1 + length);
    const plain = label.includes(".") ? label.replaceAll(".", "\\.") : label;
    name = labels++ === 0 ? plain : `${name}.${plain}`;
  }
  return { name: name.toLowerCase(), labels };
}

/** The OPT record among the additional ones: one at most, and the root's (RFC 6891 §6.1.1). */
function readEdns(bytes: Buffer, from: number): Edns | undefined | "malformed" {
  let edns: Edns | undefined;
  let at = from;
  for (let left = bytes.readUInt16BE(10); left > 0; left--) {
    const end = recordEnd(bytes, at);
    const fields = nameEnd(bytes, at);
    if (end === undefined || fields === undefined) return "malformed";
    if (bytes.readUInt16BE(fields) === recordTypes.opt) {
      if (edns || fields !== at + 1) return "malformed";
      edns = ednsAt(bytes, fields);
    }
    at = end;
  }
  return edns;
}

/** `fields` is where the record's type stands; its class is a size and its TTL are flags (RFC 6891 §6.1.2). */
function ednsAt(bytes: Buffer, fields: number): Edns {
  return {
    udpSize: Math.max(smallestUdpSize, bytes.readUInt16BE(fields + 2)),
    version: bytes[fields + 5] ?? 0,
    dnssecOk: (bytes.readUInt16BE(fields + 6) & flagDnssecOk) !== 0,
  };
}

/** Offset just after a name, which ends with the root's label or with a pointer; pointers are not followed. */
function nameEnd(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at < from + 255; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += length + 1;
    if (length === 0) return at;
  }
  return undefined;
}

/** A bare header: the question may be what is broken. */
function failed(bytes: Buffer, rcode: number): Parsed {
  const reply = Buffer.alloc(headerSize);
  bytes.copy(reply, 0, 0, 4);
  reply.writeUInt16BE(0x8000 | (bytes.readUInt16BE(2) & 0x7900) | rcode, 2);
  return { kind: "error", reply };
}
