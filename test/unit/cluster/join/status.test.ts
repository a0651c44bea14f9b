import { expect, test } from "vitest";
import { type MemberStatus, summarize } from "../../../../src/cluster/join/status.ts";

const member = (name: string, trouble?: string): MemberStatus => ({
  ...{ nodeId: name, name, address: "192.0.2.1", isLearner: false },
  ...(trouble && { trouble }),
});
const well = (count: number) => Array.from({ length: count }, (_, index) => member(`h${index}`));

test.each([
  [1, 0, 0],
  [3, 0, 1],
  [3, 1, 0],
  [3, 2, -1],
  [5, 0, 2],
  [5, 2, 0],
])("of %i members with %i away, %i more may fail", (count, away, tolerates) => {
  const members = [
    ...well(count - away),
    ...Array.from({ length: away }, (_, index) => member(`gone${index}`, "no answer")),
  ];
  expect(summarize(members)).toMatchObject({ voters: count, healthy: count - away, tolerates });
});

test("two members are warned of, and so is one that does not answer", () => {
  expect(summarize(well(2)).warnings).toEqual([expect.stringContaining("neither may fail")]);
  expect(summarize([...well(2), member("h9", "no answer")]).warnings).toEqual([
    "member h9 at 192.0.2.1 does not answer: no answer",
  ]);
  expect(summarize(well(3)).warnings).toEqual([]);
});

test("a learner has no vote to lose", () => {
  const learner = { ...member("h9", "rpc not supported for learner"), isLearner: true };
  expect(summarize([...well(1), learner])).toMatchObject({ voters: 1, tolerates: 0, warnings: [] });
});

test("a store that is full is said to be, once for all its members", () => {
  const full = { ...member("h0"), alarm: "no-space" } as const;
  const status = summarize([full, { ...full, name: "h1" }, member("h2")]);
  expect(status).toMatchObject({ voters: 3, healthy: 3, tolerates: 1 });
  expect(status.warnings).toEqual([
    expect.stringMatching(/^the store is out of space \(alarm NOSPACE on h0, h1\): /),
  ]);
});
