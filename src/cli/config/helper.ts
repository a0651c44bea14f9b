// docker-credential-… programs: JSON over stdin and stdout.

import { spawn } from "node:child_process";

/** Runs a helper's verb with `input` on its stdin; undefined when it has no credentials. */
export async function runCredentialHelper<T>(
  name: string,
  verb: string,
  input: string,
): Promise<T | undefined> {
  const child = spawn(`docker-credential-${name}`, [verb], { stdio: ["pipe", "pipe", "inherit"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const text = Buffer.concat(chunks).toString("utf8").trim();
  if (code !== 0) {
    if (/credentials not found/.test(text)) return undefined;
    throw new Error(`error getting credentials - err: exit status ${code}, out: \`${text}\``);
  }
  return text === "" ? undefined : (JSON.parse(text) as T);
}
