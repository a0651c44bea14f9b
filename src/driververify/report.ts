// What came of it, for people and for programs.

import { leftOutText } from "./left-out.ts";
import type { Outcome } from "./session.ts";

export interface Report {
  /** What was verified, as it was named. */
  readonly subject: string;
  readonly kind: "network" | "ipam";
  readonly seed: number;
  readonly outcomes: readonly Outcome[];
}

const marks = { passed: "ok  ", failed: "FAIL", "not applicable": "n/a " } as const;

/**
 * For people: a line a group, and for each rule that is broken what a person needs to mend it. What is broken in the same way
 * as another rule is named beside it, since it will mostly be one mistake.
 */
export function reportText(
  { subject, kind, seed, outcomes }: Report,
  options: { readonly all?: boolean } = {},
): string {
  const groups = Map.groupBy(outcomes, ({ group }) => group);
  const told = { all: options.all ?? false, first: firstAlike(outcomes) };
  const lines = [...groups].flatMap(([group, members]) => groupLines(group, members, told));
  const { passed, failed, notApplicable } = countsOf(outcomes);
  const leftOut = outcomes.filter(({ status }) => status === "not applicable");
  const verdict = failed === 0 ? "keeps every rule that applies to it" : `breaks ${count(failed, "rule")}`;
  return [
    `${subject} (${kind} driver, seed ${seed})`,
    "",
    ...lines,
    "",
    ...(leftOut.length > 0 && !told.all ? [`${leftOutText(leftOut)}.`, ""] : []),
    `${passed} passed, ${failed} failed, ${notApplicable} not applicable: the driver ${verdict}.`,
    ...(failed > 0 ? [againText(outcomes)] : []),
    "",
  ].join("\n");
}

/** The first of those that are broken in the same way, by the id of each. */
function firstAlike(outcomes: readonly Outcome[]): ReadonlyMap<string, string> {
  const byWay = Map.groupBy(
    outcomes.filter(({ failure }) => failure !== undefined),
    ({ failure }) => wayOf(`${failure?.expected}; ${failure?.got}`),
  );
  return new Map([...byWay.values()].flatMap((alike) => alike.map(({ id }) => [id, alike[0]?.id ?? id])));
}

/** Ids, numbers and requests are others each time, and so is how many of them there are. */
function wayOf(text: string): string {
  const withoutRequests = text.replace(/\(\{.*$/s, "");
  const parts = withoutRequests.replace(/[0-9a-f]{6,}|\d+/g, "#").split("; ");
  return [...new Set(parts)].join("; ");
}

/** How to run what failed alone: whole groups, if there is much of it. */
function againText(outcomes: readonly Outcome[]): string {
  const failed = outcomes.filter(({ status }) => status === "failed");
  const names = failed.length > 6 ? failed.map(({ group }) => group) : failed.map(({ id }) => id);
  return `To run what failed alone: --only ${[...new Set(names)].join(",")}`;
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

interface Told {
  readonly all: boolean;
  readonly first: ReadonlyMap<string, string>;
}

function groupLines(group: string, members: readonly Outcome[], told: Told): string[] {
  const { passed, failed, notApplicable } = countsOf(members);
  const parts = [
    `${passed} of ${members.length - notApplicable}`,
    ...(notApplicable > 0 ? [`${notApplicable} not applicable`] : []),
  ];
  const mark = failed > 0 ? marks.failed : passed > 0 ? marks.passed : marks["not applicable"];
  const shown = members.filter(({ status }) => told.all || status === "failed");
  return [
    `${mark} ${group.padEnd(16)} ${parts.join(", ")}`,
    ...shown.flatMap((outcome) => outcomeLines(outcome, told)),
  ];
}

function outcomeLines(outcome: Outcome, { all, first }: Told): string[] {
  const { id, rule, status, reason } = outcome;
  const alike = first.get(id);
  if (status === "failed" && alike !== undefined && alike !== id && !all)
    return [`       ${id}: ${rule}`, `         as ${alike}`];
  if (status === "failed")
    return failureText(outcome)
      .split("\n")
      .map((line) => `       ${line}`);
  return [`     ${marks[status]} ${id}: ${rule}${reason === undefined ? "" : ` (${reason})`}`];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
