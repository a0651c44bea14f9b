// "Are you sure?", and what prune commands share.

import { readSync } from "node:fs";
import { hasCode } from "../../util/errors.ts";
import type { Session } from "../session.ts";

/** Asks on stdout and reads a line from stdin: y or Y is yes. */
export function confirm(session: Session, question: string): boolean {
  session.out.write(`${question} [y/N] `);
  return readLine().trim().toLowerCase() === "y";
}

/** One line of stdin, without its end; "" at the end of input. */
export function readLine(): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    if (readByte(one) === 0 || one[0] === 10) return Buffer.from(bytes).toString("utf8").replace(/\r$/, "");
    bytes.push(one[0] ?? 0);
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function readByte(into: Buffer): number {
  for (;;) {
    try {
      return readSync(0, into, 0, 1, null);
    } catch (error) {
      if (hasCode(error, "EOF")) return 0;
      if (!hasCode(error, "EAGAIN")) throw error;
      Atomics.wait(pause, 0, 0, 10);
    }
  }
}

/** Filters of a prune command: those given and those of the settings' `pruneFilters`. */
export function pruneFilters(session: Session, given: readonly string[]): string[] {
  const filters = [...given];
  for (const filter of session.config.content.pruneFilters ?? []) {
    const opposite = filter.startsWith("label!=")
      ? filter.replace("label!=", "label=")
      : filter.replace(/^label=/, "label!=");
    if (filter.includes("=") && (opposite === filter || !given.includes(opposite))) filters.push(filter);
  }
  return filters;
}
