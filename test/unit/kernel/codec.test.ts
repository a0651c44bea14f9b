// Netlink messages and attributes, byte by byte.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  Attributes,
  align,
  decodeMessages,
  Encoder,
  eachAttribute,
  encodeHeader,
  headerSize,
} from "../../../src/kernel/codec.ts";

type Field =
  | { readonly kind: "u8" | "u16" | "u32" | "be16" | "be32"; readonly value: number }
  | { readonly kind: "u64" | "be64"; readonly value: bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array };

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) => !value.includes("\0"));
const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constantFrom("u16" as const, "be16" as const), value: fc.nat(0xffff) }),
  fc.record({
    kind: fc.constantFrom("u32" as const, "be32" as const),
    value: fc.integer({ min: 0, max: 0xffffffff }),
  }),
  fc.record({ kind: fc.constantFrom("u64" as const, "be64" as const), value: u64 }),
  fc.record({ kind: fc.constant("string" as const), value: text }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 300 }) }),
);
const fields = fc.array(field, { maxLength: 20 });

function write(encoder: Encoder, type: number, one: Field): void {
  switch (one.kind) {
    case "u64":
    case "be64":
      encoder[one.kind](type, one.value);
      return;
    case "string":
      encoder.string(type, one.value);
      return;
    case "bytes":
      encoder.bytes(type, one.value);
      return;
    default:
      encoder[one.kind](type, one.value);
  }
}

function read(attributes: Attributes, type: number, kind: Field["kind"]): unknown {
  const value = attributes[kind](type);
  return Buffer.isBuffer(value) ? new Uint8Array(value) : value;
}

describe("netlink attributes", () => {
  it("come back as they were written", () => {
    fc.assert(
      fc.property(fields, (written) => {
        const encoder = new Encoder();
        for (const [type, one] of written.entries()) write(encoder, type, one);
        const attributes = new Attributes(encoder.finish()).check();
        for (const [type, { kind, value }] of written.entries())
          expect(read(attributes, type, kind)).toEqual(value);
      }),
    );
  });

  it("come back from any depth of nesting", () => {
    fc.assert(
      fc.property(fields, fc.nat(5), (written, depth) => {
        const encoder = new Encoder();
        const fill = (level: number, inner: Encoder): void => {
          if (level > 0) inner.nest(level, (deeper) => fill(level - 1, deeper));
          else for (const [type, one] of written.entries()) write(inner, type, one);
        };
        fill(depth, encoder);
        let attributes = new Attributes(encoder.finish());
        for (let level = depth; level > 0; level--) attributes = attributes.nested(level) ?? attributes;
        for (const [type, { kind, value }] of written.entries())
          expect(read(attributes, type, kind)).toEqual(value);
      }),
    );
  });

  it("start on multiples of four bytes, padded with zeros", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 }), (values) => {
        const encoder = new Encoder();
        for (const value of values) encoder.bytes(7, value);
        const bytes = encoder.finish();
        expect(bytes.length).toBe(values.reduce((sum, { length }) => sum + 4 + align(length), 0));
        expect([...eachAttribute(bytes)].map(([, value]) => new Uint8Array(value))).toEqual(values);
      }),
    );
  });

  it("never make the decoder throw or run away, whatever bytes arrive", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const attributes = new Attributes(Buffer.from(bytes));
        for (let type = 0; type < 8; type++)
          for (const kind of ["u8", "u16", "u32", "u64", "be16", "be32", "be64", "string", "bytes"] as const)
            attributes[kind](type);
        expect([...eachAttribute(Buffer.from(bytes))].length).toBeLessThanOrEqual(bytes.length / 4);
      }),
    );
  });

  it("carry the nested flag, but for those that must not", () => {
    const typed = (flagged: boolean) =>
      new Encoder()
        .nest(5, (inner) => inner.flag(1), { flagged })
        .finish()
        .readUInt16LE(2);
    expect(typed(true)).toBe(0x8005);
    expect(typed(false)).toBe(5);
  });
});

describe("the encoder", () => {
  it("keeps its first error until the end", () => {
    const encoder = new Encoder()
      .u8(1, 256)
      .u16(2, -1)
      .string(3, "a\0b")
      .u64(4, 2n ** 64n);
    expect(() => encoder.finish()).toThrow("attribute 1: 256 is not 8 bits");
  });

  it.each([
    ["a fraction", (encoder: Encoder) => encoder.u32(1, 1.5)],
    ["a number too large", (encoder: Encoder) => encoder.be32(1, 2 ** 32)],
    ["a negative number", (encoder: Encoder) => encoder.be64(1, -1n)],
    ["text with a NUL", (encoder: Encoder) => encoder.string(1, "\0")],
    ["more than an attribute holds", (encoder: Encoder) => encoder.bytes(1, Buffer.alloc(65536))],
    [
      "more than a nest holds",
      (encoder: Encoder) =>
        encoder.nest(1, (inner) => inner.bytes(1, Buffer.alloc(40000)).bytes(2, Buffer.alloc(40000))),
    ],
  ])("refuses %s", (_, fill) => {
    expect(() => fill(new Encoder()).finish()).toThrow(RangeError);
  });
});

describe("the decoder", () => {
  it("keeps its first error and answers undefined for an attribute that is too short", () => {
    const attributes = new Attributes(new Encoder().u16(1, 7).u8(2, 7).finish());
    expect(attributes.u32(1)).toBeUndefined();
    expect(attributes.u64(2)).toBeUndefined();
    expect(() => attributes.check()).toThrow("attribute 1: 2 bytes instead of 4");
  });

  it("tells a torn attribute", () => {
    const whole = new Encoder().u32(1, 7).u32(2, 8).finish();
    const attributes = new Attributes(whole.subarray(0, 14));
    expect(attributes.u32(1)).toBe(7);
    expect(attributes.error).toBeInstanceOf(RangeError);
  });

  it("reads text up to its NUL, or all of it without one", () => {
    const attributes = new Attributes(new Encoder().string(1, "br0").bytes(2, Buffer.from("al")).finish());
    expect([attributes.string(1), attributes.string(2)]).toEqual(["br0", "al"]);
  });

  it("gives the items of a list in order", () => {
    const bytes = new Encoder().nest(3, (list) => list.u32(1, 5).u32(1, 6)).finish();
    expect(new Attributes(bytes).list(3).map((item) => item.readUInt32LE())).toEqual([5, 6]);
    expect(new Attributes(bytes).list(4)).toEqual([]);
  });
});

describe("netlink messages", () => {
  const message = fc.record({
    type: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 64 }),
  });

  it("come back in order from the bytes of many", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 10 }), (messages) => {
        const bytes = Buffer.concat(
          messages.map(({ payload, ...header }) => {
            const one = Buffer.alloc(headerSize + align(payload.length));
            encodeHeader(one, 0, { ...header, length: payload.length });
            one.set(payload, headerSize);
            return one;
          }),
        );
        const decoded = decodeMessages(bytes);
        expect(decoded.map((one) => ({ ...one, payload: new Uint8Array(one.payload) }))).toEqual(messages);
      }),
    );
  });

  it.each([
    ["a header cut short", Buffer.alloc(8)],
    ["a length of zero", Buffer.alloc(16)],
    ["a length past the end", Buffer.from([99, 0, 0, 0, ...Buffer.alloc(12)])],
  ])("are refused with %s", (_, bytes) => {
    expect(() => decodeMessages(bytes)).toThrow("decode netlink message at byte 0");
  });
});
