// What the next daemon has to find when this one lets go of a container.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { JsonFileLog } from "../../../src/engine/logs/json-file.ts";
import { Streams } from "../../../src/engine/streams.ts";
import { silentLog } from "../../../src/util/log.ts";

const folder = mkdtempSync(join(tmpdir(), "release-"));
afterAll(() => rmSync(folder, { recursive: true }));

const lines = (path: string) => readFileSync(path, "utf8").trim().split("\n");

test("streams that are released have handed on all that was taken out of the pipes, also for a slow reader", async () => {
  const log = new JsonFileLog(join(folder, "slow"), { maxFiles: 1 }, silentLog);
  const streams = new Streams(false, log);
  const stdout = new PassThrough({ highWaterMark: 8 << 20 });
  streams.attach({ stdin: false, stdout: true, stderr: true });
  streams.connect({ stdout });
  const line = `${"x".repeat(1000)}\n`;
  for (let count = 0; count < 3000; count++) stdout.write(line);
  await new Promise((go) => setImmediate(go));
  streams.release();
  await log.close();
  expect(lines(log.path)).toHaveLength(3000);
  expect(stdout.destroyed).toBe(false);
});

test("a line that has no end yet is in the log, and its rest follows it", async () => {
  const path = join(folder, "partial");
  const write = async (text: string) => {
    const log = new JsonFileLog(path, { maxFiles: 1 }, silentLog);
    log.write({ stream: "stdout", data: Buffer.from(text) });
    await log.close();
  };
  await write("login: ");
  await write("root\n");
  expect(lines(path).map((line) => JSON.parse(line).log)).toEqual(["login: ", "root\n"]);
});

test("a record that a killed daemon did not finish takes no other with it", async () => {
  const path = join(folder, "cut");
  writeFileSync(
    path,
    '{"log":"one\\n","stream":"stdout","time":"2026-01-01T00:00:00.000000000Z"}\n{"log":"tw',
  );
  const log = new JsonFileLog(path, { maxFiles: 1 }, silentLog);
  log.write({ stream: "stdout", data: Buffer.from("three\n") });
  await log.flush();
  const read: string[] = [];
  const query = { stdout: true, stderr: true, follow: false };
  for await (const { data } of log.read(query, () => false, new AbortController().signal))
    read.push(Buffer.from(data).toString());
  expect(read).toEqual(["one\n", "three\n"]);
  await log.close();
});
