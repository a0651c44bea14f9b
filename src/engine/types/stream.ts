// Values shared by the nouns: filters, documents, and the streams of a process.

import type { Writable } from "node:stream";

/** A JSON object in Docker's spelling that the engine keeps or passes on without looking into it. */
export type JsonObject = Readonly<Record<string, unknown>>;

export type Labels = Readonly<Record<string, string>>;

/** Filters of a list, prune or events request: key to the values given for it. Only keys that the request knows arrive here. */
export type Filters = ReadonlyMap<string, readonly string[]>;

export type OutputStream = "stdin" | "stdout" | "stderr";

/** Bytes that a process wrote. A terminal writes to stdout alone. */
export interface OutputChunk {
  readonly stream: OutputStream;
  readonly data: Uint8Array;
}

/** Columns and rows of a terminal; 0 leaves a side as it is. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** A client's hold on the streams of a process. */
export interface AttachSession {
  readonly tty: boolean;
  /**
   * What the process writes, in order; ends when the process and its streams have ended, or after `detach`.
   * Subscribed from the moment the session is handed out: nothing written after that is lost.
   */
  readonly output: AsyncIterable<OutputChunk>;
  /**
   * The process's stdin; absent when it is not open or was not asked for. Ending it is the client's end of file:
   * the engine closes the process's stdin (for a container: only with StdinOnce and without a terminal).
   */
  readonly input?: Writable;
  /** Ends `output` and lets go of `input`; the process lives on. "keys" (the detach keys were typed) makes an event. May be called twice. */
  detach(why: "keys" | "gone"): void;
}

/** One line or piece of a log. */
export interface LogRecord extends OutputChunk {
  /** RFC 3339, UTC, nanoseconds: `2026-01-02T03:04:05.000000006Z`. */
  readonly timestamp: string;
  /** Labels and env values the log driver was told to keep with the line. */
  readonly details?: Readonly<Record<string, string>>;
}

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Nanoseconds since 1970. */
  readonly sinceNano?: bigint;
  readonly untilNano?: bigint;
  /** The last so many lines; undefined: all. */
  readonly tail?: number;
}
