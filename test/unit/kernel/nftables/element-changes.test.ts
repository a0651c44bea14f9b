// What a set's dump is compared with: whatever differs and nothing else is changed.

import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeElements } from "../../../../src/kernel/nftables/decode.ts";
import {
  addElements,
  type Element,
  elementChanges,
  type Verdict,
} from "../../../../src/kernel/nftables/index.ts";

const table = { family: "inet", name: "t" } as const;
const nameOf = ({ words = "" }: { readonly words?: string }) => words.replace(/ \(.*$/, "");

/** As a dump: what adding the elements would have sent. */
function dumpOf(elements: readonly Element[]): Buffer[] {
  return addElements(table, "s", elements).map(({ payload }) => Buffer.from(payload));
}

/** What is deleted and added, as text. */
function changes(dump: readonly Buffer[], wanted: readonly Element[]) {
  const requests = elementChanges(table, "s", { dump, wanted });
  const of = (verb: string) =>
    requests
      .filter((request) => nameOf(request) === `nft ${verb} element inet t s`)
      .flatMap(({ payload }) => decodeElements(Buffer.from(payload)))
      .map(({ key, data }) => `${[...key]} ${data instanceof Uint8Array ? [...data] : JSON.stringify(data)}`)
      .toSorted();
  return { deleted: of("delete"), added: of("add") };
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const verdict: fc.Arbitrary<Verdict> = fc.oneof(
  fc.constantFrom("accept" as const, "drop" as const),
  fc.record({ goto: fc.constantFrom("a", "chain_b") }),
);
const sets: readonly (readonly [string, fc.Arbitrary<Element>])[] = [
  ["set", fc.record({ key: bytes(4) })],
  ["map", fc.record({ key: bytes(4), data: bytes(8) })],
  ["map of verdicts", fc.record({ key: bytes(16), data: verdict })],
  ["set of concatenated intervals", fc.record({ key: bytes(8), keyEnd: bytes(8) })],
];

test.each(sets)(
  "of a %s what is there stays, what is not wanted goes, what is missing comes",
  (_, element) => {
    const distinct = fc.uniqueArray(element, {
      selector: ({ key, keyEnd }) => `${key} ${keyEnd}`,
      maxLength: 30,
    });
    fc.assert(
      fc.property(distinct, fc.nat(), fc.nat(), (elements, one, other) => {
        const [from, to] = [one % (elements.length + 1), other % (elements.length + 1)];
        const is = elements.slice(0, Math.max(from, to));
        const wanted = elements.slice(Math.min(from, to));
        const text = ({ key, data }: Element, withData: boolean) =>
          `${[...key]} ${!withData ? undefined : data instanceof Uint8Array ? [...data] : JSON.stringify(data)}`;
        expect(changes(dumpOf(is), wanted)).toEqual({
          deleted: is
            .filter((each) => !wanted.includes(each))
            .map((each) => text(each, false))
            .toSorted(),
          added: wanted
            .filter((each) => !is.includes(each))
            .map((each) => text(each, true))
            .toSorted(),
        });
      }),
    );
  },
);

const key = Uint8Array.of(1, 2, 3, 4);

test("an element with other data goes before it comes", () => {
  const is = [{ key, data: Uint8Array.of(1) }];
  const wanted = [{ key, data: Uint8Array.of(2) }];
  expect(elementChanges(table, "s", { dump: dumpOf(is), wanted }).map(nameOf)).toEqual([
    "nft delete element inet t s",
    "nft add element inet t s",
  ]);
});

test("the end of an interval is another element than its beginning", () => {
  const dump = dumpOf([{ key, intervalEnd: true }]);
  expect(changes(dump, [{ key }])).toMatchObject({ deleted: { length: 1 }, added: { length: 1 } });
  expect(changes(dump, [{ key, intervalEnd: true }])).toEqual({ deleted: [], added: [] });
});

test("what a dump tells of twice is there, or goes, once", () => {
  const dump = [...dumpOf([{ key }]), ...dumpOf([{ key }])];
  expect(changes(dump, [{ key }])).toEqual({ deleted: [], added: [] });
  expect(changes(dump, []).deleted).toHaveLength(1);
});

test("a broken dump is an error", () => {
  const [payload = Buffer.alloc(0)] = dumpOf([{ key }]);
  const list = payload.indexOf(Buffer.from("s\0")) + 4; // struct nlattr of the list
  payload.writeUInt16LE(0xff, list);
  expect(() => elementChanges(table, "s", { dump: [payload], wanted: [] })).toThrow(
    "decode nftables element",
  );
});
