// What iptables-save says, and the lines that bring it in line with us.

import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalRule } from "../../../src/firewall/iptables/canonical.ts";
import {
  assertNotForeign,
  changeLines,
  hooksOf,
  notesOn,
  parseSaved,
  removeLines,
  resetLines,
  restoreLines,
} from "../../../src/firewall/iptables/tables.ts";

const hooks = hooksOf("filter", 4, { loopbackNat: true }).filter(({ chain }) => chain === "FORWARD");
const rules = { DOCKER: ["-o br1 -j DROP"], "DOCKER-FORWARD": ["-j DOCKER"] };

const wanted = { name: "filter", rules, hooks, notes: [] as string[], isFirst: true } as const;

const saved = (lines: string) => parseSaved(lines).get("filter");

test("what iptables-save writes is read by chain", () => {
  const tables = parseSaved(
    "# comment\n*filter\n:FORWARD DROP [1:2]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER\nCOMMIT\n*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n",
  );
  expect([...tables.keys()]).toEqual(["filter", "nat"]);
  expect(tables.get("filter")).toEqual(
    new Map([
      ["FORWARD", ["-j DOCKER"]],
      ["DOCKER", []],
    ]),
  );
});

test("on a fresh host the user's chain is made and called first", () => {
  expect(resetLines({ ...wanted, notes: notesOn("filter", undefined) })).toEqual([
    "*filter",
    ":DOCKER-USER - [0:0]",
    ":DOCKER - [0:0]",
    ":DOCKER-FORWARD - [0:0]",
    ":TSDOCKER - [0:0]",
    "-A DOCKER -o br1 -j DROP",
    "-A DOCKER-FORWARD -j DOCKER",
    '-A TSDOCKER -m comment --comment "made the table" -j RETURN',
    '-A TSDOCKER -m comment --comment "made DOCKER-USER" -j RETURN',
    '-A TSDOCKER -m comment --comment "hooked DOCKER-USER" -j RETURN',
    "-I FORWARD 1 -j DOCKER-FORWARD",
    "-I FORWARD 1 -j DOCKER-USER",
    "COMMIT",
  ]);
});

test("a user's chain that is there is never flushed, and its hook moves to the top", () => {
  const state = saved(
    "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -s 192.0.2.9 -j DROP\nCOMMIT",
  );
  const lines = resetLines({ ...wanted, notes: notesOn("filter", state) }, state);
  expect(lines).not.toContain(":DOCKER-USER - [0:0]");
  expect(lines.filter((line) => /^-[DI] FORWARD/.test(line))).toEqual([
    "-D FORWARD -j DOCKER-USER",
    "-I FORWARD 1 -j DOCKER-FORWARD",
    "-I FORWARD 1 -j DOCKER-USER",
  ]);
  expect(lines.filter((line) => line.startsWith("-A TSDOCKER"))).toEqual([]);
});

test("chains of another engine are left alone, with an error that says what to do", () => {
  const foreign = saved("*filter\n:DOCKER - [0:0]\nCOMMIT");
  expect(() => assertNotForeign("filter", foreign, rules)).toThrow(
    expect.objectContaining({
      kind: "unavailable",
      message: expect.stringContaining("belongs to another engine"),
    }),
  );
  expect(() =>
    assertNotForeign("filter", saved("*filter\n:DOCKER - [0:0]\n:TSDOCKER - [0:0]\nCOMMIT"), rules),
  ).not.toThrow();
  expect(removeLines("filter", rules, hooks, foreign)).toEqual([]);
});

test("the user's chain goes with us only if we made it and it is empty", () => {
  const ours = (more: string) =>
    saved(
      `*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n:DOCKER - [0:0]\n:TSDOCKER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n${more}\nCOMMIT`,
    );
  const made = '-A TSDOCKER -m comment --comment "made DOCKER-USER" -j RETURN';
  const hooked = '-A TSDOCKER -m comment --comment "hooked DOCKER-USER" -j RETURN';
  const dropsIn = (more: string) =>
    removeLines("filter", rules, hooks, ours(more)).filter((line) => line.includes("USER"));
  expect(dropsIn(`${made}\n${hooked}`)).toEqual(["-D FORWARD -j DOCKER-USER", "-X DOCKER-USER"]);
  expect(dropsIn(`${made}\n${hooked}\n-A DOCKER-USER -j DROP`)).toEqual(["-D FORWARD -j DOCKER-USER"]);
  expect(dropsIn("")).toEqual([]);
});

const whole = `*filter
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-USER - [0:0]
:TSDOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -o br1 -j DROP
-A DOCKER-FORWARD -j DOCKER
COMMIT`;

/** The lines that bring what is left of a whole table back, without those that begin and end it. */
function repairs(damaged: string, isFirst = false): string[] {
  return restoreLines({ ...wanted, isFirst }, saved(damaged)).slice(1, -1);
}

test("a table that is as it should be needs nothing", () => {
  expect(restoreLines(wanted, saved(whole))).toEqual([]);
});

test("what is lost comes back, and nothing else is touched", () => {
  const hookLines = [
    "-D FORWARD -j DOCKER-USER",
    "-I FORWARD 1 -j DOCKER-FORWARD",
    "-I FORWARD 1 -j DOCKER-USER",
  ];
  expect(repairs(whole.replace("-A DOCKER -o br1 -j DROP\n", ""))).toEqual(["-A DOCKER -o br1 -j DROP"]);
  expect(repairs(whole.replace("-A FORWARD -j DOCKER-FORWARD\n", ""))).toEqual(hookLines);
  expect(repairs(whole.replace(/.*DOCKER-USER.*\n/g, ""))).toEqual([
    ":DOCKER-USER - [0:0]",
    "-D FORWARD -j DOCKER-FORWARD",
    ...hookLines.slice(1),
  ]);
  expect(repairs(whole.replace("-o br1 -j DROP", "-o br2 -j DROP"))).toEqual([
    "-D DOCKER 1",
    "-A DOCKER -o br1 -j DROP",
  ]);
  expect(restoreLines({ ...wanted, notes: ["-j RETURN"] }, saved(whole)).slice(1, -1)).toEqual([
    "-A TSDOCKER -j RETURN",
  ]);
  expect(repairs(whole.replace(":TSDOCKER - [0:0]\n", ""))).toContain(":TSDOCKER - [0:0]");
});

test("a rule that others have put before ours is moved behind at the start and left alone later", () => {
  const behind = whole.replace("-A FORWARD", "-A FORWARD -s 192.0.2.9 -j ACCEPT\n-A FORWARD");
  expect(repairs(behind)).toEqual([]);
  expect(repairs(behind, true)).toContain("-I FORWARD 1 -j DOCKER-USER");
});

test("rules that mean the same are the same, in whichever way they are written", () => {
  for (const [written, shown] of [
    ["-p tcp --dport 80 -j ACCEPT", "-p tcp -m tcp --dport 80 -j ACCEPT"],
    ["! -i br1 -d 192.0.2.1 -j DROP", "-d 192.0.2.1/32 ! -i br1 -j DROP"],
    ["-s fd00::1 -j DROP", "-s fd00::1/128 -j DROP"],
    ['-m comment --comment "a b" -j RETURN', '-m comment --comment "a b" -j RETURN'],
  ] as const)
    expect(canonicalRule(written)).toBe(canonicalRule(shown));
  for (const [one, other] of [
    ["-i br1 -j DROP", "! -i br1 -j DROP"],
    ["-i br1 -o br2 -j DROP", "-i br2 -o br1 -j DROP"],
    ["-s 192.0.2.0/24 -j DROP", "-s 192.0.2.0/25 -j DROP"],
  ] as const)
    expect(canonicalRule(one)).not.toBe(canonicalRule(other));
});

/** What iptables-restore would make of a chain. */
function applied(before: readonly string[], lines: readonly string[]): string[] {
  let chain = [...before];
  for (const line of lines) {
    const [, flush] = /^(:)DOCKER /.exec(line) ?? [];
    const [, gone] = /^-D DOCKER (\d+)$/.exec(line) ?? [];
    const [, at, inserted] = /^-I DOCKER (\d+) (.*)$/.exec(line) ?? [];
    const [, appended] = /^-A DOCKER (.*)$/.exec(line) ?? [];
    if (flush) chain = [];
    if (gone) chain.splice(Number(gone) - 1, 1);
    if (at && inserted !== undefined) chain.splice(Number(at) - 1, 0, inserted);
    if (appended !== undefined) chain.push(appended);
  }
  return chain;
}

test("the lines of a change turn the chain before into the chain after", () => {
  const chain = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 300 });
  fc.assert(
    fc.property(chain, chain, (before, after) => {
      expect(applied(before, changeLines("nat", { DOCKER: before }, { DOCKER: after }))).toEqual(after);
    }),
  );
});

test("a change of one rule is one line", () => {
  const before = Array.from({ length: 1000 }, (_, at) => `rule ${at}`);
  const after = before.toSpliced(500, 0, "new");
  expect(changeLines("nat", { DOCKER: before }, { DOCKER: after })).toEqual([
    "*nat",
    "-I DOCKER 501 new",
    "COMMIT",
  ]);
  expect(changeLines("nat", { DOCKER: after }, { DOCKER: before })).toEqual([
    "*nat",
    "-D DOCKER 501",
    "COMMIT",
  ]);
  expect(changeLines("nat", { DOCKER: before }, { DOCKER: before })).toEqual([]);
});

test("what tells a fence that FORWARD is whole comes even before the user's chain", () => {
  const fenced = hooksOf("filter", 4, { loopbackNat: true, isFenced: true });
  expect(resetLines({ ...wanted, hooks: fenced }).filter((line) => line.startsWith("-I FORWARD"))).toEqual([
    "-I FORWARD 1 -j DOCKER-FORWARD",
    "-I FORWARD 1 -j DOCKER-USER",
    "-I FORWARD 1 -j MARK --set-xmark 0x40000000/0x40000000",
  ]);
});
