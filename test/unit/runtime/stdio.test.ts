import { execFile } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStdio } from "../../../src/runtime/stdio.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsdocker-stdio-"));
});

afterEach(() => rm(folder, { recursive: true }));

/** The event loop stands still. */
function stall(ms: number): void {
  for (const end = Date.now() + ms; Date.now() < end; );
}

test("a wait for the end of an output that is over late has read what was in it", async () => {
  const stdout = join(folder, "stdout");
  await promisify(execFile)("mkfifo", [stdout]);
  const stdio = await openStdio({ stdin: "", stdout, stderr: "" }, () => Promise.resolve());
  // somebody holds it open, so that it has no end
  const writer = openSync(stdout, constants.O_WRONLY);
  try {
    let said = "";
    stdio.stdout?.on("data", (data: Buffer) => {
      said += data;
    });
    await turn();
    const drained = stdio.drained(5);
    writeSync(writer, "last words");
    stall(50);
    expect(await drained).toBe(false);
    expect(said).toBe("last words");
  } finally {
    closeSync(writer);
    await stdio.close();
  }
});
