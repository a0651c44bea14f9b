// The kit in anybody's test runner: a test per rule.

import { failureText } from "./report.ts";
import { type CheckFacts, openSession, type Subject, type VerifyOptions } from "./session.ts";

/** What vitest, node:test and others have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: (context: { skip?: (reason?: string) => unknown }) => Promise<void>): unknown;
  /** After the last test of a group. */
  afterAll(body: () => Promise<void>): unknown;
}

/** Declares a test for each check of a driver. */
export function describeDriver(
  name: string,
  subject: Subject,
  { runner, ...options }: VerifyOptions & { readonly runner: TestRunner },
): void {
  runner.describe(name, () => {
    const session = openSession(subject, options);
    runner.afterAll(() => session[Symbol.asyncDispose]());
    for (const check of session.checks)
      runner.test(titleOf(check), (context) => verify(session, check, context));
  });
}

function titleOf({ id, rule }: CheckFacts): string {
  return `${id}: ${rule}`;
}

async function verify(
  session: ReturnType<typeof openSession>,
  { id }: CheckFacts,
  context: { skip?: (reason?: string) => unknown },
): Promise<void> {
  const outcome = await session.run(id);
  if (outcome.status === "not applicable") context.skip?.(outcome.reason);
  if (outcome.status === "failed") throw new Error(failureText(outcome));
}
