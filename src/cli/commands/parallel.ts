// One request per name, side by side, results in the order of the names.

import { joinErrors } from "../errors.ts";
import type { Session } from "../session.ts";

/** Runs `work` for all names at once, prints each that succeeded, throws what failed, a line each. */
export async function forEachName(
  session: Session,
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
): Promise<void> {
  await session.client.version(); // one ping for all
  const running = names.map((name) =>
    work(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  );
  const errors: unknown[] = [];
  for (const [index, one] of running.entries()) {
    const failed = await one;
    if (failed) errors.push(failed.error);
    else session.out.line(names[index] ?? "");
  }
  const all = joinErrors(errors);
  if (all) throw all;
}

/** The same one after another. */
export async function forEachNameInTurn(
  session: Session,
  names: readonly string[],
  work: (name: string) => Promise<unknown>,
): Promise<void> {
  const errors: unknown[] = [];
  for (const name of names) {
    try {
      await work(name);
      session.out.line(name);
    } catch (error) {
      errors.push(error);
    }
  }
  const all = joinErrors(errors);
  if (all) throw all;
}
