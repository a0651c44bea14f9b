// The kit in vitest.

import { afterAll, describe, test } from "vitest";
import { describeDriver } from "../../../src/driververify/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import type { Tried } from "./built-in.ts";

/** Puts a driver through the kit; to be awaited. One that cannot be tried here is one skipped test that says why. */
export async function describeTried(name: string, { lacks, open }: Tried): Promise<void> {
  const reason = await lacks?.();
  if (reason !== undefined) return void describe(name, () => test.skip(reason, () => undefined));
  const undo = new Undo();
  afterAll(() => undo.dispose());
  try {
    await describeDriver(name, await open(undo), { runner: { afterAll, describe, test } });
  } catch (error) {
    // where there are no tests there is no end of them either
    await undo.dispose();
    throw error;
  }
}
