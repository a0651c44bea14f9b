// What iptables-save says, and the lines that bring it in line with us.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  assertNotForeign,
  changeLines,
  hooksOf,
  isAsMade,
  parseSaved,
  removeLines,
  resetLines,
} from "../../../src/firewall/iptables/tables.ts";

const hooks = hooksOf("filter", 4, true);
const rules = { DOCKER: ["-o br1 -j DROP"], "DOCKER-FORWARD": ["-j DOCKER"] };

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
  expect(resetLines("filter", rules, hooks)).toEqual([
    "*filter",
    ":DOCKER-USER - [0:0]",
    ":DOCKER - [0:0]",
    ":DOCKER-FORWARD - [0:0]",
    ":TSDOCKER - [0:0]",
    "-A DOCKER -o br1 -j DROP",
    "-A DOCKER-FORWARD -j DOCKER",
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
  const lines = resetLines("filter", rules, hooks, state);
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

test("a chain that lost a rule, its hook or itself is not as it was made", () => {
  const whole =
    "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-FORWARD - [0:0]\n:TSDOCKER - [0:0]\n-A FORWARD -j DOCKER-FORWARD\n-A DOCKER -o br1 -j DROP\n-A DOCKER-FORWARD -j DOCKER\nCOMMIT";
  expect(isAsMade(rules, hooks, saved(whole))).toBe(true);
  for (const lost of ["-A FORWARD -j DOCKER-FORWARD\n", "-A DOCKER -o br1 -j DROP\n", ":TSDOCKER - [0:0]\n"])
    expect(isAsMade(rules, hooks, saved(whole.replace(lost, "")))).toBe(false);
  expect(isAsMade(rules, hooks, undefined)).toBe(false);
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
