// The three standard streams. Output is written synchronously: a command's order of lines is its order of writes, a
// slow reader slows us down, and nothing is lost at exit.

import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { hasCode } from "../util/errors.ts";

export interface Output {
  readonly isTerminal: boolean;
  write(data: string | Uint8Array): void;
  /** Writes the words with spaces between and a newline. */
  line(...words: string[]): void;
}

export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

export interface Streams {
  readonly out: Output;
  readonly err: Output;
  readonly stdinIsTerminal: boolean;
}

/** The process's own streams. */
export function processStreams(): Streams {
  return { out: fileOutput(1), err: fileOutput(2), stdinIsTerminal: isatty(0) };
}

/** An output that keeps nothing. */
export const silentOutput: Output = { isTerminal: false, write: () => {}, line: () => {} };

/** The size of the terminal at stdout; zeros when there is none. */
export function terminalSize(out: Output): TerminalSize {
  if (!out.isTerminal) return { height: 0, width: 0 };
  return { height: process.stdout.rows ?? 0, width: process.stdout.columns ?? 0 };
}

function fileOutput(fd: 1 | 2): Output {
  const write = (data: string | Uint8Array) => writeAll(fd, data);
  return { isTerminal: isatty(fd), write, line: (...words) => write(`${words.join(" ")}\n`) };
}

function writeAll(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  for (let at = 0; at < bytes.length; ) at += writeSome(fd, bytes, at);
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** A non-blocking pipe that is full answers EAGAIN: wait a little, try again. A reader that went away ends us quietly. */
function writeSome(fd: number, bytes: Uint8Array, at: number): number {
  try {
    return writeSync(fd, bytes, at);
  } catch (error) {
    if (hasCode(error, "EAGAIN")) {
      Atomics.wait(pause, 0, 0, 2);
      return 0;
    }
    if (hasCode(error, "EPIPE")) process.exit(141);
    throw error;
  }
}
