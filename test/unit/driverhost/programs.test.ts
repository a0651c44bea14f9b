// Programs that drivers run: what they are given, and that none outlives its time or drowns the daemon.

import { mkdtempSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createPrograms } from "../../../src/driverhost/index.ts";

const folder = mkdtempSync(join(tmpdir(), "tsdocker-programs-"));
const programs = createPrograms();
let written = 0;

afterAll(() => rm(folder, { recursive: true }));

async function script(text: string): Promise<string> {
  const path = join(folder, `script${++written}`);
  await writeFile(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

test("a program gets its input, the environment that is said, and PATH", async () => {
  process.env.TSDOCKER_TEST_SECRET = "mine";
  const path = await script(
    'cat; echo "$WORD $TSDOCKER_TEST_SECRET" $(test -n "$PATH" && echo path); echo oops >&2; exit 3',
  );
  expect(await programs.run(path, { env: { WORD: "hello" }, stdin: "in\n", timeoutMs: 10_000 })).toEqual({
    code: 3,
    signal: null,
    stdout: "in\nhello  path\n",
    stderr: "oops\n",
  });
});

test("a program that does not read its input is no trouble", async () => {
  const path = await script("exit 0");
  const end = await programs.run(path, { env: {}, stdin: "x".repeat(1 << 20), timeoutMs: 10_000 });
  expect(end).toMatchObject({ code: 0 });
});

test("a program that does not end in time is killed with all that it started", async () => {
  const path = await script(`sleep 1000 & echo $! > ${folder}/child; wait`);
  let child = "";
  // a slow machine takes longer to start it
  for (let timeoutMs = 300; child === ""; timeoutMs *= 2) {
    const end = await programs.run(path, { env: {}, timeoutMs });
    expect(end).toMatchObject({ code: null, signal: "SIGKILL", killedFor: "time" });
    child = (await readFile(join(folder, "child"), "utf8").catch(() => "")).trim();
  }
  const state = async () =>
    (await readFile(`/proc/${child}/stat`, "utf8").catch(() => "gone")).split(") ")[1]?.[0];
  // whoever inherits it may be slow to bury it
  await expect.poll(state, { timeout: 20_000 }).toBeOneOf([undefined, "Z", "X"]);
});

test("a program that writes without end is killed", async () => {
  const path = await script("while :; do echo 0123456789012345678901234567890123456789; done");
  const end = await programs.run(path, { env: {}, timeoutMs: 20_000 });
  expect(end).toMatchObject({ code: null, killedFor: "output" });
  expect(end.stdout.length).toBe(1024 * 1024);
});

test("a program that cannot be started says why by its code", async () => {
  await expect(programs.run(join(folder, "none"), { env: {}, timeoutMs: 1000 })).rejects.toMatchObject({
    code: "ENOENT",
  });
  await writeFile(join(folder, "text"), "not a program");
  await expect(programs.run(join(folder, "text"), { env: {}, timeoutMs: 1000 })).rejects.toMatchObject({
    code: "EACCES",
  });
});
