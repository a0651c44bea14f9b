// Docker's json-file format: one JSON object a line, `{"log":"text\n","stream":"stdout","time":"…"}`.

import type { LogRecord } from "../types.ts";

/** The current time as RFC 3339 with nine fraction digits, of which the wall clock of Node fills three. */
export function timestampNow(): string {
  return new Date().toISOString().replace("Z", "000000Z");
}

/** Nanoseconds since 1970 of an RFC 3339 time in UTC. */
export function timestampNano(timestamp: string): bigint {
  const [seconds = "", fraction = "0"] = timestamp.replace(/Z$/, "").split(".");
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}

export function encodeLine(record: LogRecord): string {
  const log = Buffer.from(record.data).toString("utf8");
  return `${JSON.stringify({ log, stream: record.stream, time: record.timestamp })}\n`;
}

/** The record of a line; undefined for one that was cut off by a crash. */
export function decodeLine(line: string): LogRecord | undefined {
  try {
    const { log, stream, time } = JSON.parse(line) as {
      log: string;
      stream: "stdout" | "stderr";
      time: string;
    };
    return { stream, data: Buffer.from(log, "utf8"), timestamp: time };
  } catch {
    return undefined;
  }
}
