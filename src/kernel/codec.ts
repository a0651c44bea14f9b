// The bytes of netlink: message headers and attributes (linux/netlink.h). No meaning of any message lives here.
// Host byte order is little-endian on every platform we run on (x86-64, arm64); "be" is network byte order.

/** sizeof(struct nlmsghdr). */
export const headerSize = 16;

/** Flags of nlmsghdr. */
export const nlmFlag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** NLM_F_ROOT | NLM_F_MATCH, of GET requests. */
  dump: 0x300,
  /** Of NEW requests. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** Of ACKs: extended acknowledgement attributes follow. */
  ackTlvs: 0x200,
} as const;

/** Message types that every netlink family shares. */
export const nlmType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

const nested = 0x8000;
const typeMask = 0x3fff;

/** Rounded up to the 4 bytes that netlink aligns to. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** One message as it was received; `payload` is a view of the received buffer. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Splits received bytes into messages; a malformed rest is an error. */
export function decodeMessages(bytes: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + headerSize <= bytes.length ? bytes.readUInt32LE(at) : 0;
    if (length < headerSize || at + length > bytes.length)
      throw new RangeError(`decode netlink message at byte ${at}: length ${length} of ${bytes.length - at}`);
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + headerSize, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Writes one nlmsghdr for a payload that follows it. */
export function encodeHeader(
  into: Buffer,
  at: number,
  header: { type: number; flags: number; sequence: number; length: number },
): void {
  into.writeUInt32LE(headerSize + header.length, at);
  into.writeUInt16LE(header.type, at + 4);
  into.writeUInt16LE(header.flags, at + 6);
  into.writeUInt32LE(header.sequence, at + 8);
  into.writeUInt32LE(0, at + 12);
}

/** Writes a payload: fixed structs and attributes. Keeps its first error until `finish`. */
export class Encoder {
  #bytes = Buffer.alloc(128);
  #length = 0;
  #error: Error | undefined;

  /** How many bytes were written; the offset of what comes next. */
  get length(): number {
    return this.#length;
  }

  /** Bytes without a header (a family's fixed struct), padded to 4. */
  struct(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += align(bytes.length);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    if (value.length > 0xffff - 4)
      return this.#fail(`attribute ${type} of ${value.length} bytes is too long`);
    this.#header(type, value.length);
    return this.struct(value);
  }

  flag(type: number): this {
    this.#header(type, 0);
    return this;
  }

  u8(type: number, value: number): this {
    return this.#integer(type, value, 1, () => this.#bytes.writeUInt8(value, this.#length));
  }

  u16(type: number, value: number): this {
    return this.#integer(type, value, 2, () => this.#bytes.writeUInt16LE(value, this.#length));
  }

  u32(type: number, value: number): this {
    return this.#integer(type, value, 4, () => this.#bytes.writeUInt32LE(value, this.#length));
  }

  u64(type: number, value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) return this.#fail(`attribute ${type}: ${value} is not 64 bits`);
    this.#header(type, 8);
    this.#reserve(8);
    this.#bytes.writeBigUInt64LE(value, this.#length);
    this.#length += 8;
    return this;
  }

  be16(type: number, value: number): this {
    return this.#integer(type, value, 2, () => this.#bytes.writeUInt16BE(value, this.#length));
  }

  be32(type: number, value: number): this {
    return this.#integer(type, value, 4, () => this.#bytes.writeUInt32BE(value, this.#length));
  }

  be64(type: number, value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) return this.#fail(`attribute ${type}: ${value} is not 64 bits`);
    this.#header(type, 8);
    this.#reserve(8);
    this.#bytes.writeBigUInt64BE(value, this.#length);
    this.#length += 8;
    return this;
  }

  /** Text with the NUL that the kernel expects. */
  string(type: number, value: string): this {
    if (value.includes("\0")) return this.#fail(`attribute ${type}: text holds a NUL`);
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute of attributes. `flagged: false` for the few old ones that must not carry NLA_F_NESTED. */
  nest(type: number, fill: (inner: this) => void, { flagged = true } = {}): this {
    const start = this.#length;
    this.#header(flagged ? type | nested : type, 0);
    fill(this);
    const length = this.#length - start;
    if (length > 0xffff) return this.#fail(`attribute ${type}: ${length} bytes are too many to nest`);
    this.#bytes.writeUInt16LE(length, start);
    return this;
  }

  /** The payload. Throws the first error. */
  finish(): Buffer {
    if (this.#error) throw this.#error;
    return this.#bytes.subarray(0, this.#length);
  }

  #integer(type: number, value: number, size: 1 | 2 | 4, write: () => void): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size))
      return this.#fail(`attribute ${type}: ${value} is not ${8 * size} bits`);
    this.#header(type, size);
    this.#reserve(size);
    write();
    this.#length += 4;
    return this;
  }

  #header(type: number, length: number): void {
    this.#reserve(4);
    this.#bytes.writeUInt16LE(length + 4, this.#length);
    this.#bytes.writeUInt16LE(type, this.#length + 2);
    this.#length += 4;
  }

  #reserve(length: number): void {
    const needed = this.#length + align(length);
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  #fail(message: string): this {
    this.#error ??= new RangeError(`encode netlink ${message}`);
    return this;
  }
}

/** Reads attributes by type; what is absent is undefined. The last of a repeated type wins; `list` gives all. */
export class Attributes {
  readonly #values = new Map<number, Buffer>();
  #error: Error | undefined;

  /** `bytes`: attributes back to back, without the family's fixed struct. */
  constructor(bytes: Buffer) {
    for (const [type, value] of eachAttribute(bytes, (error) => {
      this.#error ??= error;
    }))
      this.#values.set(type, value);
  }

  /** The first error met so far, in the frame or in an accessor. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Throws the first error. */
  check(): this {
    if (this.#error) throw this.#error;
    return this;
  }

  has(type: number): boolean {
    return this.#values.has(type);
  }

  bytes(type: number): Buffer | undefined {
    return this.#values.get(type);
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.readUInt8();
  }

  u16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16LE();
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32LE();
  }

  i32(type: number): number | undefined {
    return this.#sized(type, 4)?.readInt32LE();
  }

  u64(type: number): bigint | undefined {
    return this.#sized(type, 8)?.readBigUInt64LE();
  }

  be16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16BE();
  }

  be32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32BE();
  }

  be64(type: number): bigint | undefined {
    return this.#sized(type, 8)?.readBigUInt64BE();
  }

  string(type: number): string | undefined {
    const value = this.#values.get(type);
    if (!value) return undefined;
    const end = value.indexOf(0);
    return value.toString("utf8", 0, end < 0 ? value.length : end);
  }

  nested(type: number): Attributes | undefined {
    const value = this.#values.get(type);
    return value && new Attributes(value);
  }

  /** The values of a list attribute (NFTA_LIST_ELEM and the like), in order. */
  list(type: number): Buffer[] {
    const value = this.#values.get(type);
    return value ? [...eachAttribute(value)].map(([, item]) => item) : [];
  }

  #sized(type: number, size: number): Buffer | undefined {
    const value = this.#values.get(type);
    if (!value || value.length >= size) return value;
    this.#error ??= new RangeError(
      `decode netlink attribute ${type}: ${value.length} bytes instead of ${size}`,
    );
    return undefined;
  }
}

/** [type, value] of each attribute, in order; stops at the first malformed one, which `failed` is told. */
export function* eachAttribute(
  bytes: Buffer,
  failed?: (error: Error) => void,
): Generator<[type: number, value: Buffer]> {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) {
      failed?.(new RangeError(`decode netlink attribute at byte ${at}: length ${length}`));
      return;
    }
    yield [bytes.readUInt16LE(at + 2) & typeMask, bytes.subarray(at + 4, at + length)];
    at += align(length);
  }
}
