// What etcd's log says about its end, in words for people.

import { open, rename, stat } from "node:fs/promises";

const longestLog = 8 * 1024 * 1024;
const tailBytes = 16 * 1024;

/** Why etcd ended. `removed`: the cluster has removed this member, and starting it again is in vain. */
export interface EndReason {
  readonly kind: "removed" | "other";
  readonly message: string;
}

/** One earlier log is kept. */
export async function rotateLog(path: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > longestLog) await rename(path, `${path}.1`);
}

/** Reads what was written after `start` (a size of the file in bytes). */
export async function readEndReason(path: string, start = 0): Promise<EndReason> {
  return explainEnd(await readTail(path, start).catch(() => ""));
}

export function explainEnd(log: string): EndReason {
  if (/permanently removed from the cluster|member has been removed/i.test(log))
    return { kind: "removed", message: "the cluster has removed this member" };
  const other = (message: string): EndReason => ({ kind: "other", message });
  const taken = /listen tcp (\S+): bind: address already in use/.exec(log);
  if (taken) return other(`${taken[1]} is in use by another program`);
  const missing = /listen tcp (\S+): bind: cannot assign requested address/.exec(log);
  if (missing) return other(`${missing[1]} is not an address of this host`);
  if (/no space left on device/.test(log)) return other("no space left on device");
  if (/cluster ID mismatch/i.test(log)) return other("its data is of another cluster");
  return other(lastWords(log));
}

// Lines are JSON of zap's; what comes before the logger is set up is plain text.
function lastWords(log: string): string {
  const lines = log.trim().split("\n").reverse();
  for (const line of lines) {
    const { level, msg, error } = parseLine(line);
    if (level === "fatal" || level === "panic" || level === "error")
      return [msg, error].filter(Boolean).join(": ");
  }
  // plain text comes from before the log was set up: wrong options, say
  const plain = lines.find((line) => line !== "" && !line.startsWith("{"));
  return plain?.slice(0, 300) ?? "it did not say why";
}

interface LogLine {
  readonly level?: string;
  readonly msg?: string;
  readonly error?: string;
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}

async function readTail(path: string, start: number): Promise<string> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const from = Math.max(start > size ? 0 : start, size - tailBytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  return buffer.toString("utf8", 0, bytesRead);
}
