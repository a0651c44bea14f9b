// Logs on disk, in Docker's format.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { JsonFileLog, parseLogOptions } from "../../../src/engine/logs/json-file.ts";
import { decodeLine, encodeLine, timestampNano, timestampNow } from "../../../src/engine/logs/line.ts";
import type { LogQuery } from "../../../src/engine/types.ts";
import { silentLog } from "../../../src/util/log.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "log-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const openLog = (options = parseLogOptions({})) => new JsonFileLog(join(folder, "c.log"), options, silentLog);
const everything: LogQuery = { stdout: true, stderr: true, follow: false };
const out = (text: string) => ({ stream: "stdout" as const, data: Buffer.from(text) });
const err = (text: string) => ({ stream: "stderr" as const, data: Buffer.from(text) });

async function texts(log: JsonFileLog, query: Partial<LogQuery> = {}): Promise<string[]> {
  const lines: string[] = [];
  for await (const record of log.read(
    { ...everything, ...query },
    () => false,
    new AbortController().signal,
  )) {
    lines.push(Buffer.from(record.data).toString());
  }
  return lines;
}

test("pieces become lines, each with its stream and time, in Docker's format", async () => {
  const log = openLog();
  log.write(out("one\ntw"));
  log.write(err("oops\n"));
  log.write(out("o\n"));
  await log.close();
  const lines = (await readFile(log.path, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ log: text, stream }) => [stream, text])).toEqual([
    ["stdout", "one\n"],
    ["stderr", "oops\n"],
    ["stdout", "two\n"],
  ]);
  expect(lines[0].time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
});

test("the last line is kept although it has no end", async () => {
  const log = openLog();
  log.write(out("no newline"));
  await log.close();
  expect(await texts(log)).toEqual(["no newline"]);
});

test("a line longer than 16 KiB is written in pieces that join to the same bytes", async () => {
  const log = openLog();
  const long = "x".repeat(40_000);
  log.write(out(`${long}\nshort\n`));
  await log.close();
  const pieces = await texts(log);
  expect(pieces.length).toBe(4);
  expect(pieces.join("")).toBe(`${long}\nshort\n`);
});

test("streams, tail and times choose the records", async () => {
  const log = openLog();
  for (const number of [1, 2, 3, 4]) log.write(number % 2 ? out(`${number}\n`) : err(`${number}\n`));
  await log.flush();
  expect(await texts(log, { stderr: false })).toEqual(["1\n", "3\n"]);
  expect(await texts(log, { tail: 2 })).toEqual(["3\n", "4\n"]);
  expect(await texts(log, { tail: 0 })).toEqual([]);
  expect(await texts(log, { sinceNano: timestampNano(timestampNow()) + 1_000_000_000n })).toEqual([]);
  expect(await texts(log, { untilNano: 1n })).toEqual([]);
  await log.close();
});

test("a follower gets the past, then what comes, each once, and ends with the process", async () => {
  const log = openLog();
  log.write(out("past\n"));
  const lines: string[] = [];
  const records = log.read({ ...everything, follow: true }, () => true, new AbortController().signal);
  const reading = (async () => {
    for await (const record of records) {
      lines.push(Buffer.from(record.data).toString());
      if (lines.length === 1) log.write(out("present\n"));
      if (lines.length === 2) log.end();
    }
  })();
  await reading;
  expect(lines).toEqual(["past\n", "present\n"]);
  await log.close();
});

test("a follower who goes away stops following", async () => {
  const log = openLog();
  const gone = new AbortController();
  const records = log.read({ ...everything, follow: true }, () => true, gone.signal);
  const next = records.next();
  gone.abort();
  expect((await next).done).toBe(true);
  await log.close();
});

test("a full file is turned over and only so many are kept", async () => {
  const log = openLog(parseLogOptions({ "max-size": "1k", "max-file": "3" }));
  for (let line = 0; line < 60; line++) {
    log.write(out(`line ${line}\n`));
    await log.flush();
  }
  expect((await readdir(folder)).sort()).toEqual(["c.log", "c.log.1", "c.log.2"]);
  const kept = await texts(log);
  expect(kept.at(-1)).toBe("line 59\n");
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, at) => `line ${60 - kept.length + at}\n`));
  await log.remove();
  expect(await readdir(folder)).toEqual([]);
});

test("a line that a crash cut off is passed over", () => {
  const line = encodeLine({ ...out("x\n"), timestamp: timestampNow() });
  expect(decodeLine(line.slice(0, -5))).toBeUndefined();
  expect(decodeLine(line)?.stream).toBe("stdout");
});

test("unknown and malformed options are refused in Docker's words", () => {
  expect(() => parseLogOptions({ colour: "red" })).toThrow(
    "unknown log opt 'colour' for json-file log driver",
  );
  expect(() => parseLogOptions({ "max-size": "lots" })).toThrow("invalid value for max-size");
  expect(() => parseLogOptions({ "max-file": "0" })).toThrow("max-file cannot be less than 1");
  expect(parseLogOptions({ "max-size": "10m", "max-file": "2" })).toEqual({
    maxBytes: 10_000_000,
    maxFiles: 2,
  });
});

test.each([false, true])(
  "what an earlier daemon wrote is read once and whole while the first line of this one is written, follow: %s",
  async (follow) => {
    const earlier = openLog();
    earlier.write(out("one\n"));
    await earlier.close();
    const log = openLog();
    const lines: string[] = [];
    const reading = (async () => {
      const records = log.read({ ...everything, follow }, () => true, new AbortController().signal);
      for await (const { data } of records) lines.push(Buffer.from(data).toString());
    })();
    log.write(out("two\n"));
    await expect.poll(() => lines, { timeout: 20_000 }).toEqual(["one\n", "two\n"]);
    await log.close();
    await reading;
    expect(lines).toEqual(["one\n", "two\n"]);
  },
);
