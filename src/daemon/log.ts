// The daemon's log: pino's records as lines that people read, `time level message key=value …`, on stderr.

import { pino } from "pino";
import type { Log } from "../util/log.ts";

type Level = "debug" | "info" | "warn" | "error" | "fatal";

const levelNames: Readonly<Record<number, string>> = {
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** Writes records of `level` and above. */
export function createLog(
  level: Level,
  write: (text: string) => void = (text) => process.stderr.write(text),
): Log {
  return pino({ level, base: null }, { write: (line: string) => write(formatRecord(line)) });
}

/** One of pino's JSON lines as text. */
export function formatRecord(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as {
    level: number;
    time: number;
    msg: string;
    [key: string]: unknown;
  };
  const words = Object.entries(fields).map(([key, value]) => ` ${key}=${formatValue(value)}`);
  return `${new Date(time).toISOString()} ${(levelNames[level] ?? "info").padEnd(5)} ${msg}${words.join("")}\n`;
}

function formatValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
