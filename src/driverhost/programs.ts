// Programs that drivers run: each in a process group of its own, with bounded output and a bounded life.

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { ProgramEnd, ProgramOptions, Programs } from "../driverapi/index.ts";

/** More than that is no answer. */
const mostStdout = 1024 * 1024;
const mostStderr = 16 * 1024;

export interface ProgramsOptions {
  /** Path of the namespace that stands for the machine; absent: the process's own. */
  readonly netns?: string;
}

/** Programs of the machine. */
export function createPrograms({ netns }: ProgramsOptions = {}): Programs {
  return {
    run: (path, options) => {
      const words: [string, ...string[]] = netns ? ["nsenter", `--net=${netns}`, path] : [path];
      return runProgram(words, options);
    },
  };
}

async function runProgram(
  [file, ...words]: readonly [string, ...string[]],
  { env, stdin = "", timeoutMs }: ProgramOptions,
): Promise<ProgramEnd> {
  const child = spawn(file, words, {
    env: { PATH: process.env.PATH ?? "", ...env },
    cwd: "/",
    stdio: "pipe",
    // a group of its own: what it starts dies with it
    detached: true,
  });
  let killedFor: ProgramEnd["killedFor"];
  const kill = (why: NonNullable<ProgramEnd["killedFor"]>) => {
    killedFor ??= why;
    killGroup(child);
    // what it left to others is not waited for
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const timer = setTimeout(() => kill("time"), timeoutMs);
  const stdout = collect(child.stdout, mostStdout, () => kill("output"));
  const stderr = collect(child.stderr, mostStderr, () => undefined);
  // one that ends without reading is no trouble: its answer says what is
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  try {
    const { code, signal } = await closed(child);
    return { code, signal, stdout: stdout(), stderr: stderr(), ...(killedFor && { killedFor }) };
  } finally {
    clearTimeout(timer);
  }
}

/** Ended, and its output read. */
function closed(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** The first bytes of a stream as text. */
function collect(stream: Readable, most: number, tooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => {
    const room = most - size;
    size += chunk.length;
    if (room > 0) chunks.push(chunk.subarray(0, room));
    if (size > most) tooMuch();
  });
  return () => Buffer.concat(chunks).toString("utf8");
}

function killGroup({ pid }: ChildProcess): void {
  // to the kernel 0 and less mean whole groups of other processes
  if (pid === undefined || pid <= 1) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // gone already
  }
}
