// Elements of sets and maps, written and read back.

import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeElements } from "../../../../src/kernel/nftables/decode.ts";
import {
  addElements,
  concatenate,
  deleteElements,
  type Element,
  intervalElements,
  linkField,
  portField,
  type Verdict,
} from "../../../../src/kernel/nftables/index.ts";

const table = { family: "inet", name: "t" } as const;

/** What the kernel would read out of requests. */
function readBack(requests: ReturnType<typeof addElements>): Element[] {
  return requests.flatMap(({ payload }) => decodeElements(Buffer.from(payload)));
}

const plain = (element: Element) => ({
  ...element,
  key: [...element.key],
  ...(element.keyEnd ? { keyEnd: [...element.keyEnd] } : {}),
  ...(element.data instanceof Uint8Array ? { data: [...element.data] } : {}),
});

const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom("accept" as const, "drop" as const, "return" as const),
  fc.record({ jump: fc.constantFrom("a", "chain_b") }),
  fc.record({ goto: fc.constantFrom("a", "chain_b") }),
);
const element: fc.Arbitrary<Element> = fc.oneof(
  fc.record({ key: bytes }),
  fc.record({ key: bytes, keyEnd: bytes }),
  fc.record({ key: bytes, data: fc.oneof(bytes, verdict) }),
  fc.record({ key: bytes, intervalEnd: fc.constant(true) }),
);

test("elements that are written are read back", () => {
  fc.assert(
    fc.property(fc.array(element, { maxLength: 50 }), (elements) => {
      expect(readBack(addElements(table, "s", elements)).map(plain)).toEqual(elements.map(plain));
    }),
  );
});

test("ten thousand elements are spread over messages that each stay within an attribute's 64 KiB", () => {
  const elements = Array.from({ length: 10_000 }, (_, at) => ({
    key: concatenate(Uint8Array.of(6), portField(at)),
    data: concatenate(Uint8Array.of(10, 0, 0, 2), portField(80)),
  }));
  const requests = addElements(table, "ports", elements);
  expect(requests.length).toBeGreaterThan(1);
  for (const { payload } of requests) expect(payload.length).toBeLessThan(65_536);
  expect(readBack(requests)).toHaveLength(10_000);
});

test("a deletion names keys and no data", () => {
  const requests = deleteElements(table, "s", [{ key: Uint8Array.of(1), data: "accept" }]);
  expect(readBack(requests).map(plain)).toEqual([{ key: [1] }]);
  expect(requests[0]?.words).toBe("nft delete element inet t s (1 of them)");
});

test("no elements are no messages", () => {
  expect(addElements(table, "s", [])).toEqual([]);
});

test("an interval ends at the value behind its last", () => {
  expect(intervalElements(Uint8Array.of(10, 0, 0, 0), Uint8Array.of(10, 0, 0, 255)).map(plain)).toEqual([
    { key: [10, 0, 0, 0] },
    { key: [10, 0, 1, 0], intervalEnd: true },
  ]);
});

test("an interval up to the last value there is has no end", () => {
  expect(intervalElements(Uint8Array.of(240), Uint8Array.of(255), "drop").map(plain)).toEqual([
    { key: [240], data: "drop" },
  ]);
});

test("fields of a key are padded to registers", () => {
  expect([...concatenate(Uint8Array.of(6), portField(8080))]).toEqual([6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
});

test("an interface name takes 16 bytes and at most 15 letters", () => {
  expect([...linkField("br0")]).toEqual([98, 114, 48, ...new Array(13).fill(0)]);
  expect(linkField("a".repeat(15))[15]).toBe(0);
  expect(() => linkField("a".repeat(16))).toThrow("interface name aaaaaaaaaaaaaaaa is too long");
});
