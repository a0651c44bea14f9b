// Runs a command to its end with all it said; conditions that are waited for.

import { type SpawnOptions, spawn } from "node:child_process";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the command's stdin, which is then closed; nothing: stdin is empty. */
  readonly stdin?: string | Buffer;
  /** The command is killed then. */
  readonly timeoutMs?: number;
}

/** Never rejects for what the command did: its code says it (128 + signal when one ended it). */
export async function run(
  file: string,
  args: readonly string[],
  { env = {}, stdin = "", timeoutMs = 60_000 }: RunOptions = {},
): Promise<Ran> {
  const options: SpawnOptions = { env: { ...process.env, ...env }, stdio: "pipe", timeout: timeoutMs };
  const child = spawn(file, args, options);
  const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout?.on("data", (chunk: Buffer) => said.stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => said.stderr.push(chunk));
  // a command that ends without reading its stdin is no error
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(stdin);
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit, signal) => resolve(exit ?? (signal === "SIGTERM" ? 143 : 137)));
  });
  const [stdout, stderr] = [said.stdout, said.stderr].map((chunks) => Buffer.concat(chunks).toString());
  return { code, stdout: stdout ?? "", stderr: stderr ?? "" };
}

/** Asks again until the answer is neither undefined nor false. @throws with `what` when it never is */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
