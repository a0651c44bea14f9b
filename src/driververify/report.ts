// What came of it, for people and for programs.

import type { Outcome } from "./session.ts";

export interface Report {
  /** What was verified, as it was named. */
  readonly subject: string;
  readonly kind: "network" | "ipam";
  readonly seed: number;
  readonly outcomes: readonly Outcome[];
}

const marks = { passed: "ok  ", failed: "FAIL", "not applicable": "n/a " } as const;

/** For people: a line a group, and for each rule that is broken what a person needs to mend it. */
export function reportText(
  { subject, kind, seed, outcomes }: Report,
  options: { readonly all?: boolean } = {},
): string {
  const groups = Map.groupBy(outcomes, ({ group }) => group);
  const lines = [...groups].flatMap(([group, members]) => groupLines(group, members, options.all ?? false));
  const { passed, failed, notApplicable } = countsOf(outcomes);
  const verdict = failed === 0 ? "keeps every rule that applies to it" : `breaks ${count(failed, "rule")}`;
  return [
    `${subject} (${kind} driver, seed ${seed})`,
    "",
    ...lines,
    "",
    `${passed} passed, ${failed} failed, ${notApplicable} not applicable: the driver ${verdict}.`,
    "",
  ].join("\n");
}

/** The failure of one check. */
export function failureText({ id, rule, where, failure }: Outcome): string {
  const { expected = "", got = "", hint, calls = [] } = failure ?? {};
  return [
    `${id}: ${rule}`,
    `  expected  ${expected}`,
    `  got       ${got}`,
    ...(hint === undefined ? [] : [`  hint      ${hint}`]),
    `  see       ${where} in tsdocker/driverapi`,
    ...(calls.length > 0 ? ["  the last calls:", ...calls.map((call) => `    ${call}`)] : []),
  ].join("\n");
}

/** For programs: one document, whose fields are only ever added to. */
export function reportJson(report: Report): string {
  return `${JSON.stringify({ ...report, ...countsOf(report.outcomes) }, undefined, 2)}\n`;
}

export function countsOf(outcomes: readonly Outcome[]) {
  const number = (status: Outcome["status"]) => outcomes.filter((each) => each.status === status).length;
  return {
    passed: number("passed"),
    failed: number("failed"),
    notApplicable: number("not applicable"),
  };
}

function groupLines(group: string, members: readonly Outcome[], all: boolean): string[] {
  const { passed, failed, notApplicable } = countsOf(members);
  const parts = [
    `${passed} of ${members.length - notApplicable}`,
    ...(notApplicable > 0 ? [`${notApplicable} not applicable`] : []),
  ];
  const head = `${failed > 0 ? marks.failed : passed > 0 ? marks.passed : marks["not applicable"]} ${group.padEnd(16)} ${parts.join(", ")}`;
  const told = members.filter(({ status }) => all || status === "failed");
  return [head, ...told.flatMap(outcomeLines)];
}

function outcomeLines(outcome: Outcome): string[] {
  if (outcome.status === "failed")
    return failureText(outcome)
      .split("\n")
      .map((line) => `       ${line}`);
  const reason = outcome.reason === undefined ? "" : ` (${outcome.reason})`;
  return [`     ${marks[outcome.status]} ${outcome.id}: ${outcome.rule}${reason}`];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
