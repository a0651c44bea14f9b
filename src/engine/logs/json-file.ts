// The json-file log driver: appends a container's output to a file, turns it over when it is full, reads it back and
// follows it. Only this process writes the file, so followers are told in memory.

import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { invalid } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { Channel } from "../channel.ts";
import type { OutputSink } from "../streams.ts";
import type { LogQuery, LogRecord, OutputChunk } from "../types.ts";
import { decodeLine, encodeLine, timestampNano, timestampNow } from "./line.ts";

/** A line longer than this is written in pieces, as Docker does. */
const longestPieceBytes = 16 * 1024;

export interface LogFileOptions {
  /** A file larger than this is turned over; undefined: never. */
  readonly maxBytes?: number;
  /** How many files are kept, the current one included. */
  readonly maxFiles: number;
}

/** Parses `max-size` and `max-file`. @throws invalid on anything else that is not known */
export function parseLogOptions(options: Readonly<Record<string, string>>): LogFileOptions {
  for (const key of Object.keys(options)) {
    if (
      !["max-size", "max-file", "labels", "env", "tag", "compress", "labels-regex", "env-regex"].includes(key)
    ) {
      throw invalid(`unknown log opt '${key}' for json-file log driver`);
    }
  }
  const maxFiles = Number(options["max-file"] ?? 1);
  if (!Number.isInteger(maxFiles) || maxFiles < 1) throw invalid("max-file cannot be less than 1");
  const size = options["max-size"];
  if (size === undefined || size === "-1") return { maxFiles };
  const parts = /^([0-9]+)([kmg]?)b?$/i.exec(size);
  if (!parts) throw invalid(`invalid value for max-size: '${size}'`);
  const unit = { "": 1, k: 1000, m: 1000 ** 2, g: 1000 ** 3 }[(parts[2] ?? "").toLowerCase()] ?? 1;
  return { maxBytes: Number(parts[1]) * unit, maxFiles };
}

/** What a reader wants of what is in the files. */
interface Past {
  readonly query: LogQuery;
  readonly isWanted: (record: LogRecord) => boolean;
  /** Where the past of the current file ends, in bytes. */
  readonly upTo: number;
}

/** One container's log. */
export class JsonFileLog implements OutputSink {
  readonly path: string;
  readonly #options: LogFileOptions;
  readonly #log: Log;
  readonly #partial = { stdin: Buffer.alloc(0), stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  readonly #followers = new Set<Channel<LogRecord>>();
  #pending: string[] = [];
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #bytes = 0;

  constructor(path: string, options: LogFileOptions, log: Log) {
    this.path = path;
    this.#options = options;
    this.#log = log;
  }

  /** Adds output; whole lines are written at once, the rest when its line ends or the process does. */
  write(chunk: OutputChunk): void {
    const before = this.#partial[chunk.stream];
    let rest = before.length > 0 ? Buffer.concat([before, chunk.data]) : Buffer.from(chunk.data);
    for (;;) {
      const newline = rest.indexOf(10);
      const end = newline >= 0 && newline < longestPieceBytes ? newline + 1 : longestPieceBytes;
      if (newline < 0 && rest.length < longestPieceBytes) break;
      this.#append(chunk.stream, rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    this.#partial[chunk.stream] = Buffer.from(rest);
  }

  /** The process has ended: what has no newline yet is written as it is, and followers end. */
  end(): void {
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#partial[stream].length > 0) this.#append(stream, this.#partial[stream]);
      this.#partial[stream] = Buffer.alloc(0);
    }
    for (const follower of this.#followers) follower.end();
  }

  /** Resolves when everything written so far is in the file. */
  async flush(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async close(): Promise<void> {
    this.end();
    await this.flush();
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Removes the file and its older ones. */
  async remove(): Promise<void> {
    await this.close();
    for (let age = 0; age < this.#options.maxFiles; age++) await rm(this.#path(age), { force: true });
  }

  /** Records in order; `isRunning` says whether there can be more to follow. */
  async *read(query: LogQuery, isRunning: () => boolean, signal: AbortSignal): AsyncGenerator<LogRecord> {
    const isWanted = (record: LogRecord) => (record.stream === "stderr" ? query.stderr : query.stdout);
    const follower = new Channel<LogRecord>();
    await this.flush();
    const found = await this.#sizeFound();
    await this.flush();
    // from here on nothing is awaited: what is written from now on reaches a follower from memory
    const upTo = this.#file ? this.#bytes : found;
    if (query.follow && isRunning()) this.#follow(follower, signal);
    else follower.end();
    yield* this.#past({ query, isWanted, upTo });
    for await (const record of follower) {
      if (!isWanted(record)) continue;
      if (query.untilNano !== undefined && timestampNano(record.timestamp) > query.untilNano) return;
      yield record;
    }
  }

  #follow(follower: Channel<LogRecord>, signal: AbortSignal): void {
    this.#followers.add(follower);
    follower.onEnd(() => this.#followers.delete(follower));
    if (signal.aborted) follower.end();
    signal.addEventListener("abort", () => follower.end(), { once: true });
  }

  /** Of the current file, as whoever wrote it last left it. */
  async #sizeFound(): Promise<number> {
    const found = this.#file ? undefined : await stat(this.path).catch(() => undefined);
    return found?.size ?? 0;
  }

  async *#past({ query, isWanted, upTo }: Past): AsyncGenerator<LogRecord> {
    if (query.tail === 0) return;
    const last: LogRecord[] = [];
    for await (const record of this.#stored(upTo)) {
      if (!isWanted(record)) continue;
      const nano =
        query.sinceNano === undefined && query.untilNano === undefined ? 0n : timestampNano(record.timestamp);
      if (query.sinceNano !== undefined && nano < query.sinceNano) continue;
      if (query.untilNano !== undefined && nano > query.untilNano) break;
      if (query.tail === undefined) yield record;
      else {
        last.push(record);
        if (last.length > query.tail) last.shift();
      }
    }
    yield* last;
  }

  /** The older files, and so many bytes of the current one. */
  async *#stored(upTo: number): AsyncGenerator<LogRecord> {
    for (let age = this.#options.maxFiles - 1; age >= 0; age--) {
      const handle = await open(this.#path(age)).catch(() => undefined);
      if (!handle) continue;
      const end = age === 0 ? upTo - 1 : undefined;
      if (end !== undefined && end < 0) {
        await handle.close();
        continue;
      }
      const input = createReadStream("", { fd: handle, ...(end !== undefined && { start: 0, end }) });
      for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
        const record = decodeLine(line);
        if (record) yield record;
      }
    }
  }

  #append(stream: OutputChunk["stream"], data: Buffer): void {
    const record: LogRecord = { stream, data, timestamp: timestampNow() };
    this.#pending.push(encodeLine(record));
    for (const follower of this.#followers) follower.push(record);
    this.#writing ??= this.#writeOut();
  }

  async #writeOut(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        const text = this.#pending.join("");
        this.#pending = [];
        const file = await this.#openFile();
        const { bytesWritten } = await file.write(text);
        this.#bytes += bytesWritten;
        if (this.#options.maxBytes !== undefined && this.#bytes >= this.#options.maxBytes)
          await this.#turnOver();
      }
    } catch (error) {
      this.#pending = [];
      this.#log.error({ path: this.path, reason: String(error) }, "cannot write a container's log");
    } finally {
      this.#writing = undefined;
    }
  }

  async #openFile(): Promise<FileHandle> {
    if (this.#file) return this.#file;
    this.#file = await open(this.path, "a", 0o640);
    this.#bytes = (await this.#file.stat()).size;
    // a daemon that was killed in the middle of a line: the next one must not hang on to it
    if (this.#bytes > 0 && !(await this.#endsWithNewline(this.#bytes)))
      this.#bytes += (await this.#file.write("\n")).bytesWritten;
    return this.#file;
  }

  async #endsWithNewline(size: number): Promise<boolean> {
    await using file = await open(this.path, "r");
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] === 10;
  }

  async #turnOver(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    this.#bytes = 0;
    for (let age = this.#options.maxFiles - 1; age > 0; age--) {
      await rename(this.#path(age - 1), this.#path(age)).catch(() => undefined);
    }
    if (this.#options.maxFiles === 1) await rm(this.path, { force: true });
  }

  #path(age: number): string {
    return age === 0 ? this.path : `${this.path}.${age}`;
  }
}
