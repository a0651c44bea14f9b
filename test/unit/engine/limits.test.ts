import { cpus } from "node:os";
import { expect, test } from "vitest";
import { checkLimits, parseSet } from "../../../src/engine/limits.ts";

test.each([
  ["0", [0]],
  ["0-2", [0, 1, 2]],
  ["0-1,3", [0, 1, 3]],
  ["3,1", [3, 1]],
])("the set %s has its members", (text, members) => {
  expect([...(parseSet(text) ?? [])]).toEqual(members);
});

test.each(["", "x", "1-", "-1", "2-1", "0,,1", "0-999999"])("%j is no set", (text) => {
  expect(parseSet(text)).toBeUndefined();
});

test("processors that are not there are refused", async () => {
  const count = cpus().length;
  await expect(checkLimits({ nanoCpus: (count + 1) * 1e9 })).rejects.toThrow(`only ${count} CPUs available`);
  await expect(checkLimits({ nanoCpus: -1 })).rejects.toThrow("range of CPUs");
  await expect(checkLimits({ cpusetCpus: "9999" })).rejects.toThrow("requested 9999, available: 0");
  await expect(checkLimits({ cpusetMems: "9999" })).rejects.toThrow("memory nodes are not available");
  await expect(checkLimits({ cpusetCpus: "x" })).rejects.toThrow("invalid value x for cpuset cpus");
});

test("what there is may be asked for", async () => {
  await checkLimits({ nanoCpus: cpus().length * 1e9, cpusetCpus: "0", cpusetMems: "0" });
});
