// The kit in anybody's test runner: a test for each rule that is about the driver, and one that says which are not.

import { leftOutText } from "./left-out.ts";
import { failureText } from "./report.ts";
import { type CheckFacts, openSession, type VerifyOptions, type VerifySession } from "./session.ts";
import type { Subject } from "./subject.ts";

/** What vitest, node:test and others have in common. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: () => Promise<void>): unknown;
  /** After the last test of a group. */
  afterAll(body: () => Promise<void>): unknown;
}

/**
 * Declares a test for each check that is about a driver; to be awaited. Rules that are not about it are no skipped tests:
 * the name of the last test says which they are, and why.
 */
export async function describeDriver(
  name: string,
  subject: Subject,
  { runner, ...options }: VerifyOptions & { readonly runner: TestRunner },
): Promise<void> {
  const session = openSession(subject, options);
  const { applying, leftOut } = await session.plan();
  runner.describe(name, () => {
    runner.afterAll(() => session[Symbol.asyncDispose]());
    for (const check of applying) runner.test(`${check.id}: ${check.rule}`, () => verify(session, check));
    if (leftOut.length > 0) runner.test(leftOutText(leftOut), async () => undefined);
  });
}

async function verify(session: VerifySession, { id }: CheckFacts): Promise<void> {
  const outcome = await session.run(id);
  if (outcome.status === "failed") throw new Error(failureText(outcome));
}
