// Reading the attributes (struct nlattr) of a netlink message.

import { align } from "./message.ts";

const typeMask = 0x3fff; // NLA_TYPE_MASK

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
