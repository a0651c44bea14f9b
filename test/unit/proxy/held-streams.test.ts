// Pipes that keep what their writers left.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { HeldStreams } from "../../../src/proxy/held-streams.ts";

const folder = mkdtempSync(join(tmpdir(), "held-"));
afterAll(() => rmSync(folder, { recursive: true }));

function pipe(name: string): string {
  const path = join(folder, name);
  if (!existsSync(path)) execFileSync("mkfifo", [path]);
  return path;
}

function leave(path: string, text: string): void {
  const fd = openSync(path, constants.O_RDWR);
  writeSync(fd, text);
  closeSync(fd);
}

function find(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(100);
  const bytes = readSync(fd, buffer);
  closeSync(fd);
  return buffer.subarray(0, bytes).toString();
}

test("what was written last is there for who comes next, until it is let go of", () => {
  const held = new HeldStreams();
  const path = pipe("a");
  held.hold("c1", [path, join(folder, "missing")]);
  leave(path, "last words");
  held.hold("c1", [path]);
  expect(find(path)).toBe("last words");
  expect(find(path)).toBe("");
  leave(path, "unheard");
  held.hold("c1", []);
  expect(find(path)).toBe("");
  expect(held.size).toBe(0);
});

test("only those that are retained are held on", () => {
  const held = new HeldStreams();
  for (const name of ["a", "b"]) held.hold(name, [pipe(name)]);
  for (const name of ["a", "b"]) leave(pipe(name), name);
  held.retain(new Set(["b", "c"]));
  expect([find(pipe("a")), find(pipe("b"))]).toEqual(["", "b"]);
  held.close();
  expect(held.size).toBe(0);
});
