// Drivers that do not answer, or not with a driver: each call has its time, and the run goes on.

import { expect, test } from "vitest";
import { networkChecks, type Outcome, verifyDriver } from "../../../src/driververify/index.ts";
import { mutant } from "./breaking.ts";
import { MemoryDriver } from "./memory-driver.ts";
import { MemoryStage } from "./memory-machine.ts";

const silence = () => new Promise<never>(() => undefined);

/** What comes of some groups of checks on a driver of which some methods never answer. */
async function verdicts(
  only: readonly string[],
  ...silent: readonly (keyof MemoryDriver)[]
): Promise<readonly Outcome[]> {
  const members = Object.fromEntries(silent.map((method) => [method, silence]));
  const open = async () => new MemoryStage((machine) => mutant(new MemoryDriver(machine), members));
  const run = { name: "silent", callLimitMs: 100, only };
  return (await verifyDriver({ kind: "network stage", open }, run)).outcomes;
}

const failuresOf = (outcomes: readonly Outcome[]) =>
  new Map(outcomes.flatMap(({ id, failure }) => (failure ? [[id, failure.got] as const] : [])));

test.each(["createNetwork", "createEndpoint", "join", "leave", "deleteEndpoint", "deleteNetwork"] as const)(
  "a driver whose %s never answers fails by name, and every check is made",
  async (method) => {
    const outcomes = await verdicts(["endpoints", "reach", "leaks"], method);
    const isOf = ({ id }: { readonly id: string }) => /^(endpoints|reach|leaks)\//.test(id);
    expect(outcomes).toHaveLength(networkChecks.filter(isOf).length);
    const failures = failuresOf(outcomes);
    expect(failures.size).toBeGreaterThan(10);
    for (const got of failures.values()) expect(got).toContain(`to ${method}(`);
  },
);

test("the first time is waited for, and told; a method that was silent is not waited for as long", async () => {
  const failures = failuresOf(await verdicts(["reach"], "leave"));
  expect([...failures.values()][0]).toMatch(/^none within 0\.\d+ s to leave\(\{ networkId: /);
  expect([...failures.values()].at(-1)).toContain("; it was silent for 0.1 s before");
});

test("what is called past the requests' watch, or when a daemon starts again, has its time too", async () => {
  const failures = failuresOf(
    await verdicts(["requests", "restart"], "rejoin", "sweep", "programExternalConnectivity"),
  );
  expect(failures.get("requests/publish")).toContain("to programExternalConnectivity(");
  expect(failures.get("restart/rejoin")).toContain("to rejoin(");
  expect(failures.get("restart/sweep-network")).toContain("to sweep(");
});

test("a settle that never ends fails what needs it, and keeps nobody", async () => {
  expect(failuresOf(await verdicts(["networks/settle"], "settle")).get("networks/settle")).toContain(
    "to settle(",
  );
});

test.each([
  [
    "throws",
    () => {
      throw new Error("no licence");
    },
    "its factory throws: no licence",
  ],
  ["answers a promise", async () => new Map(), "its factory answers a promise"],
  ["answers nothing", () => undefined, "its factory answers undefined"],
])("a factory that %s is told of as such, since there is nothing to verify", async (_what, factory, text) => {
  const subject = { kind: "ipam", factory: factory as never } as const;
  await expect(verifyDriver(subject, { name: "none" })).rejects.toThrow(text);
});
