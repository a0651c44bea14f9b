// Writing a blob: chunks of up to a mebibyte, one in flight at a time, over a bidirectional stream. The ingest
// survives a closed writer, so that an interrupted download goes on where it stopped.

import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { internal } from "../util/errors.ts";
import { cancelled } from "./cancelled.ts";
import type { WriteContentRequestSchema, WriteContentResponse } from "./gen/content_pb.ts";
import { fromGrpcError, isAlreadyExists, isUnavailable } from "./grpc-error.ts";
import type { Labels } from "./values.ts";

export interface ContentWriter extends AsyncDisposable {
  readonly ref: string;
  /** Bytes received so far; the next write lands here. More than 0 right after opening means a resumed ingest. */
  readonly offset: number;
  /** Forgets what was received: the next write starts at 0. */
  restart(): void;
  write(data: Uint8Array): Promise<void>;
  /** Ends the blob and checks its digest; returns it. A blob that is there already is success. */
  commit(options?: { readonly labels?: Labels; readonly expected?: string }): Promise<string>;
  /** Hands over what was written so far and keeps the ingest for a later resume; may be called twice, never throws. */
  close(): Promise<void>;
}

interface OpenOptions {
  readonly expected?: string;
  readonly total?: number;
  readonly signal?: AbortSignal;
}

type Request = MessageInitShape<typeof WriteContentRequestSchema>;
type Stream = ClientDuplexStream<Request, WriteContentResponse>;

const chunkBytes = 1024 * 1024;
const action = { stat: 0, write: 1, commit: 2 };
const lockedRetries = 20;

/** Opens the ingest `ref` on a new stream; undefined when the expected blob exists. Waits a little for a locked ref. */
export async function openWriter(
  connect: () => Stream,
  ref: string,
  options: OpenOptions,
): Promise<ContentWriter | undefined> {
  for (let attempt = 0; ; attempt++) {
    const exchange = new Exchange(connect(), options.signal);
    try {
      const request = { ref, expected: options.expected ?? "", total: BigInt(options.total ?? 0) };
      const status = await exchange.ask({ ...request, action: action.stat });
      return new IngestWriter(exchange, { ref, ...options }, Number(status.offset));
    } catch (error) {
      exchange.cancel();
      if (isAlreadyExists(error)) return undefined;
      // The lock of a writer that went away is freed a moment after its stream.
      if (!isUnavailable(error) || attempt >= lockedRetries) throw error;
      await sleep(10 * (attempt + 1), undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}

class IngestWriter implements ContentWriter {
  readonly ref: string;
  readonly #exchange: Exchange;
  readonly #open: OpenOptions;
  #acked: number;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  #inFlight: Promise<unknown> | undefined;

  constructor(exchange: Exchange, open: OpenOptions & { ref: string }, offset: number) {
    this.ref = open.ref;
    this.#exchange = exchange;
    this.#open = open;
    this.#acked = offset;
  }

  get offset(): number {
    return this.#acked + this.#bufferedBytes;
  }

  restart(): void {
    this.#acked = 0;
    this.#buffered = [];
    this.#bufferedBytes = 0;
  }

  async write(data: Uint8Array): Promise<void> {
    for (let start = 0; start < data.length; ) {
      const part = data.subarray(start, start + chunkBytes - this.#bufferedBytes);
      this.#buffered.push(part);
      this.#bufferedBytes += part.length;
      start += part.length;
      if (this.#bufferedBytes >= chunkBytes) await this.#flush();
    }
  }

  async commit(options: { labels?: Labels; expected?: string } = {}): Promise<string> {
    await this.#flush();
    await this.#inFlight;
    const expected = options.expected ?? this.#open.expected ?? "";
    try {
      const response = await this.#exchange.ask({
        ...this.#request(action.commit),
        expected,
        labels: { ...options.labels },
      });
      return response.digest;
    } catch (error) {
      if (isAlreadyExists(error)) return expected;
      throw error;
    } finally {
      await this.#exchange.end();
    }
  }

  async close(): Promise<void> {
    try {
      await this.#flush();
      await this.#inFlight;
    } catch {
      // The failure was, or will be, reported by the write or the commit that met it.
    }
    await this.#exchange.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #flush(): Promise<void> {
    await this.#inFlight;
    if (this.#bufferedBytes === 0) return;
    const data = Buffer.concat(this.#buffered, this.#bufferedBytes);
    const request = { ...this.#request(action.write), data };
    this.#buffered = [];
    this.#bufferedBytes = 0;
    this.#acked += data.length;
    this.#inFlight = this.#exchange.ask(request);
    // A failure is seen by the next write or the commit; until then it must not count as unhandled.
    this.#inFlight.catch(() => undefined);
  }

  #request(verb: number): Request {
    return {
      action: verb,
      ref: this.ref,
      offset: BigInt(this.#acked),
      total: BigInt(this.#open.total ?? 0),
    };
  }
}

/** Requests and answers in turn over one stream. */
class Exchange {
  readonly #stream: Stream;
  readonly #signal: AbortSignal | undefined;
  #waiting: { resolve: (answer: WriteContentResponse) => void; reject: (error: unknown) => void } | undefined;
  #failure: unknown;
  readonly #closed: Promise<unknown>;

  constructor(stream: Stream, signal: AbortSignal | undefined) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on("data", (answer: WriteContentResponse) => this.#settle()?.resolve(answer));
    stream.on("error", (error) => this.#fail(fromGrpcError(error)));
    this.#closed = new Promise((resolve) => stream.once("end", resolve).once("error", resolve));
    stream.on("end", () => this.#fail(internal("write content: the stream ended")));
    signal?.addEventListener("abort", this.#abort, { once: true });
  }

  ask(request: Request): Promise<WriteContentResponse> {
    if (this.#signal?.aborted) return Promise.reject(cancelled("write content", this.#signal));
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#stream.write(request);
    });
  }

  /** Ends the stream in order and waits until the server has freed the ingest. */
  async end(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#failure ??= internal("write content: the writer is closed");
    this.#stream.end();
    await this.#closed;
  }

  cancel(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#stream.cancel();
  }

  readonly #abort = () => {
    if (this.#signal) this.#fail(cancelled("write content", this.#signal));
    this.#stream.cancel();
  };

  #settle() {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#settle()?.reject(error);
  }
}
