// iptables through the wrapper scripts of this folder: whole transactions in, the state of all tables out. The only
// commands that the daemon ever runs on the network's behalf.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { addon } from "../../../native/index.ts";
import type { Family } from "../../netip/index.ts";
import { unavailable } from "../../util/errors.ts";
import { unless } from "../errors.ts";

export { watchIptablesLock } from "./lock.ts";

/** Which iptables: the one that the system calls so, or one of the two kinds by name. */
export type IptablesVariant = "default" | "nft" | "legacy";

/** Whose rules. */
export interface IptablesTarget {
  readonly family: Family;
  readonly variant: IptablesVariant;
  /** Path of the netns; undefined = the process's own. */
  readonly netns?: string | undefined;
}

/**
 * `iptables-restore --noflush --wait`: applies `rules`, each table of them in one transaction. `started` hears the id of
 * the process, which notifications of nftables carry.
 * @throws unavailable, with the words of iptables and the line that it refused
 */
export async function restoreRules(
  target: IptablesTarget,
  rules: string,
  started: (processId: number) => void = () => undefined,
): Promise<void> {
  const { netns } = target;
  const program = programOf(target);
  const words = [program, ...(netns ? [netns] : [])];
  const { code, stderr } = await run("restore.sh", words, { input: rules, started });
  if (code !== 0) throw refusal(`${program}-restore`, code, withLine(stderr, rules));
}

/**
 * `iptables-save`: every table that exists, or the one that is named.
 * @throws unavailable, with the words of iptables
 */
export async function saveRules(target: IptablesTarget, table?: string): Promise<string> {
  const program = programOf(target);
  const words = [program, target.netns ?? "-", ...(table ? [table] : [])];
  const { code, stdout, stderr } = await run("save.sh", words, { input: "" });
  if (code !== 0) throw refusal(`${program}-save`, code, stderr);
  return stdout;
}

/** Names of the tables that iptables-legacy has in a namespace; reading them makes none. */
export async function legacyIptablesTables(netns?: string): Promise<string[]> {
  const names = ["ip_tables_names", "ip6_tables_names"].map((file) => `/proc/thread-self/net/${file}`);
  const found = names.map((path) => unless(["ENOENT"], addon().netnsFiles(netns, [path, undefined])));
  return (await Promise.all(found)).flatMap((texts) => texts?.[0]?.split("\n").filter(Boolean) ?? []);
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(
  script: string,
  words: readonly string[],
  { input, started }: { readonly input: string; readonly started?: (processId: number) => void },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", [scriptPath(script), ...words], { stdio: "pipe" });
    // the script ends in an exec: what it becomes keeps the id
    if (child.pid !== undefined) started?.(child.pid);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
    child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
    child.stdin.on("error", () => undefined); // it ended before it read everything, and says why on stderr
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    child.stdin.end(input);
  });
}

/** The scripts lie in the sources, which the bundle is below. */
function scriptPath(name: string): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start, depth = 0; depth < 16; folder = dirname(folder), depth++)
    for (const path of [join(folder, name), join(folder, "src/kernel/iptables", name)])
      if (existsSync(path)) return path;
  throw unavailable(`run iptables: no ${name} above ${start}`);
}

function programOf({ family, variant }: IptablesTarget): string {
  const program = family === 4 ? "iptables" : "ip6tables";
  return variant === "default" ? program : `${program}-${variant}`;
}

function refusal(program: string, code: number | null, words: string) {
  if (code === 127) return unavailable(`run ${program}: not installed`);
  return unavailable(`run ${program}: ${words.trim() || `exit status ${code}`}`);
}

/** iptables-restore says "line 7 failed": with that line behind it somebody can tell what was wrong. */
function withLine(words: string, rules: string): string {
  const number = /line:? (\d+)/.exec(words)?.[1];
  const line = number && rules.split("\n")[Number(number) - 1];
  return line ? `${words.trim()}: ${line}` : words;
}
