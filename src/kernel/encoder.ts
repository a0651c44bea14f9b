// Writing the payload of a netlink message: a family's fixed structs, and attributes (struct nlattr).

import { align } from "./message.ts";

const nested = 0x8000; // NLA_F_NESTED

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
