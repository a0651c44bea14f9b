import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedKeys } from "../../../src/cluster/sorted-keys.ts";

const key = fc.string({ unit: fc.constantFrom("a", "b", "/", "-", "0", "Z"), minLength: 1, maxLength: 4 });

test("keys are what a sorted set would have, whatever was added, deleted and read before", () => {
  const step = fc.record({ kind: fc.constantFrom("add", "add", "delete", "read"), key });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), key, (steps, prefix) => {
      const keys = new SortedKeys();
      const model = new Set<string>();
      for (const { kind, key } of steps) {
        if (kind === "add" && !model.has(key)) keys.add(key);
        if (kind === "add") model.add(key);
        if (kind === "delete") keys.delete(key);
        if (kind === "delete") model.delete(key);
        if (kind === "read") keys.startingWith("");
      }
      expect(keys.startingWith("")).toEqual([...model].sort());
      expect(keys.startingWith(prefix)).toEqual([...model].filter((one) => one.startsWith(prefix)).sort());
    }),
  );
});
