// The kit from end to end: one driver, all checks or some.

import { invalid } from "../util/errors.ts";
import { ipamChecks, networkChecks } from "./checks/index.ts";
import type { Report } from "./report.ts";
import { type Outcome, openSession, type VerifyOptions } from "./session.ts";
import { isIpam, type Subject } from "./subject.ts";

export interface VerifyRun extends VerifyOptions {
  /** What to call it in the report. */
  readonly name: string;
  /** Ids of checks, or of groups; absent: all. */
  readonly only?: readonly string[];
  readonly onOutcome?: (outcome: Outcome) => void;
  /** Ends it after the check under way; what the kit made is taken away all the same. */
  readonly signal?: AbortSignal;
}

/** Runs the checks one after the other. Never rejects for what the driver does. @throws invalid for an `only` that names nothing */
export async function verifyDriver(subject: Subject, run: VerifyRun): Promise<Report> {
  const { name, only, onOutcome, signal, seed = 1, ...options } = run;
  await using session = openSession(subject, { ...options, seed });
  const outcomes: Outcome[] = [];
  for (const { id } of chosen(session.checks, only)) {
    if (signal?.aborted) break;
    const outcome = await session.run(id);
    outcomes.push(outcome);
    onOutcome?.(outcome);
  }
  return { subject: name, kind: isIpam(subject) ? "ipam" : "network", seed, outcomes };
}

function chosen<T extends { readonly id: string }>(
  checks: readonly T[],
  only?: readonly string[],
): readonly T[] {
  if (!only || only.length === 0) return checks;
  const isOf = (wish: string, { id }: { readonly id: string }) => id === wish || id.startsWith(`${wish}/`);
  // a module may be two drivers: what is of the other one is not unknown
  const all = [...networkChecks, ...ipamChecks];
  const unknown = only.filter((wish) => !all.some((check) => isOf(wish, check)));
  if (unknown.length > 0) throw invalid(`no such check: ${unknown.join(", ")}`);
  return checks.filter((check) => only.some((wish) => isOf(wish, check)));
}
