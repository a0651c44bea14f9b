// What a person reads.

import { expect, test } from "vitest";
import { type Outcome, reportText } from "../../../src/driververify/index.ts";

const passed = (id: string): Outcome => ({
  id,
  group: id.split("/")[0] ?? "",
  rule: `Rule ${id}.`,
  where: "NetworkDriver",
  status: "passed",
});
const failed = (id: string, got: string): Outcome => ({
  ...passed(id),
  status: "failed",
  failure: { expected: "a call that succeeds", got, hint: "do otherwise", calls: ["join() -> undefined"] },
});
const leftOut = (id: string, reason: string): Outcome => ({
  ...passed(id),
  status: "not applicable",
  reason,
});

const report = (...outcomes: readonly Outcome[]) => ({
  subject: "./d.ts",
  kind: "network" as const,
  seed: 1,
  outcomes,
});

test("a report tells of each way to be broken once, what was left out and why, and what to run again", () => {
  const outcomes = [
    passed("networks/delete"),
    failed("networks/again", "link 1a2b3c4d5e is there"),
    failed("join/twice", "link 5d4c3b2a1f is there"),
    failed("join/leave", "something else"),
    leftOut("join/mac", "it has no links"),
    leftOut("reach/ipv4", "it has no links"),
  ];
  expect(reportText(report(...outcomes))).toBe(`./d.ts (network driver, seed 1)

FAIL networks         1 of 2
       networks/again: Rule networks/again.
         expected  a call that succeeds
         got       link 1a2b3c4d5e is there
         hint      do otherwise
         see       NetworkDriver in tsdocker/driverapi
         the last calls:
           join() -> undefined
FAIL join             0 of 2, 1 not applicable
       join/twice: Rule join/twice.
         as networks/again
       join/leave: Rule join/leave.
         expected  a call that succeeds
         got       something else
         hint      do otherwise
         see       NetworkDriver in tsdocker/driverapi
         the last calls:
           join() -> undefined
n/a  reach            0 of 0, 1 not applicable

2 rules are not about it: it has no links (join/mac, reach/ipv4).

1 passed, 3 failed, 2 not applicable: the driver breaks 3 rules.
To run what failed alone: --only networks/again,join/twice,join/leave
`);
});

test("asked for all, it tells each failure whole, and each rule by itself", () => {
  const text = reportText(report(failed("a/b", "no"), failed("a/c", "no"), leftOut("a/d", "why not")), {
    all: true,
  });
  expect(text.match(/got {7}no/g)).toHaveLength(2);
  expect(text).toContain("n/a  a/d: Rule a/d. (why not)");
  expect(text).not.toContain("rule is not about it");
});
