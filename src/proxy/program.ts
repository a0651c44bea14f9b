// The proxy as a process that the daemon starts.

import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";

/** What to run, and for which host. */
export interface ProgramOptions {
  /** The proxy's program and first arguments: `[process.execPath, "…/tsdocker-proxy.mjs"]`. */
  readonly command: readonly string[];
  /** Its control socket; at most 107 bytes, in a folder that is root's alone. */
  readonly controlPath: string;
  /** Netns of the host: where targets and the host's name servers are reached; undefined = the process's own. */
  readonly netns?: string;
  /** Where its stderr goes; undefined = nowhere. */
  readonly logPath?: string;
  /** End of an idle udp flow; default 90 s. */
  readonly udpIdleMs?: number;
}

/**
 * Half the memory after a flood of forwarded questions, at the same speed (measured: 106 against 205 MB); and no pause
 * in such a flood waits for a helping thread to be given a processor (a third less time in pauses).
 */
const nodeFlags = ["--max-semi-space-size=4", "--no-parallel-scavenge"];

const startTimeoutMs = 10_000;

/** In a session of its own, so that neither our end nor a Ctrl-C is its end. Resolves when it listens. */
export async function spawnProxy(options: ProgramOptions): Promise<ChildProcess> {
  const [program = process.execPath, ...first] = options.command;
  const flags = program === process.execPath ? nodeFlags : [];
  const args = [...flags, ...first, "--control", options.controlPath, "--status-fd", "3"];
  if (options.netns !== undefined) args.push("--netns", options.netns);
  if (options.udpIdleMs !== undefined) args.push("--udp-idle-ms", String(options.udpIdleMs));
  await using log = options.logPath === undefined ? undefined : await open(options.logPath, "a");
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "ignore", log?.fd ?? "ignore", "pipe"],
    cwd: "/",
  });
  try {
    await readyOf(child);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  child.unref();
  return child;
}

/** Descriptor 3 says `0\n` when it serves, or `1\n` and why it cannot: docker-proxy's protocol. */
async function readyOf(child: ChildProcess): Promise<void> {
  const pipe = child.stdio[3];
  if (!pipe || !("setEncoding" in pipe)) throw new Error("no pipe to the child");
  const said = await new Promise<string>((resolve, reject) => {
    let text = "";
    const timeout = setTimeout(() => reject(new Error(`silent for ${startTimeoutMs} ms`)), startTimeoutMs);
    pipe.setEncoding("utf8");
    pipe.on("data", (part) => {
      text += part;
    });
    pipe.once("close", () => {
      clearTimeout(timeout);
      resolve(text);
    });
    child.once("error", (error) => {
      clearTimeout(timeout);
      reject(error);
    });
  });
  if (!said.startsWith("0\n")) throw new Error(said.replace(/^1\n/, "").trim() || "it ended at once");
}

/** Resolves when it has ended, or after `timeoutMs`. */
export function exitOf(child: ChildProcess, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timeout = setTimeout(resolve, timeoutMs);
    child.once("exit", () => {
      clearTimeout(timeout);
      resolve();
    });
  });
}
