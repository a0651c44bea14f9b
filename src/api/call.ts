// One request as a route sees it: version, parameters, body, the client's presence, and the ways to answer with a stream.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { Connection } from "./connection.ts";
import { readJson } from "./json-body.ts";
import { Query } from "./query.ts";
import { ResponseStream } from "./response-stream.ts";
import type { Schema } from "./schemas/decode.ts";
import type { ApiVersion } from "./version.ts";

export interface CallParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly version: ApiVersion;
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Tells the web framework that the answer is no longer its business. */
  readonly release: () => void;
  /** Fires when the API closes. */
  readonly closing: AbortSignal;
}

export class Call {
  readonly version: ApiVersion;
  readonly query: Query;
  readonly #parts: CallParts;
  readonly #gone = new AbortController();
  #hasAnswered = false;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.version = parts.version;
    this.query = new Query(parts.query);
  }

  /** A part of the path; `*` is its rest. */
  parameter(name: string): string {
    return this.#parts.parameters[name] ?? "";
  }

  header(name: string): string | undefined {
    const value = this.#parts.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** The body as it comes. */
  get body(): Readable {
    return this.#parts.request;
  }

  /** The body as JSON; undefined when there is none. Throws invalid in Docker's words. */
  json<T>(schema: Schema<T>): Promise<T | undefined> {
    return readJson(this.#parts.request, schema);
  }

  /** Fires when the client is gone before its answer was complete, or the API closes. */
  get signal(): AbortSignal {
    const { response, closing } = this.#parts;
    const abort = () => this.#gone.abort();
    if (response.destroyed || closing.aborted) abort();
    closing.addEventListener("abort", abort);
    response.once("close", () => {
      closing.removeEventListener("abort", abort);
      if (!response.writableFinished) abort();
    });
    return this.#gone.signal;
  }

  /** True once a stream or the connection was taken: an error can no longer become a status. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** Starts a 200 answer whose body comes piece by piece; the head is sent at once. */
  openStream(contentType: string, headers: Readonly<Record<string, string>> = {}): ResponseStream {
    this.#release();
    return new ResponseStream(this.#parts.response, { ...headers, "Content-Type": contentType });
  }

  /** Takes the raw connection from the HTTP server for attach and exec. */
  takeConnection(): Connection {
    this.#release();
    return new Connection(this.#parts.request, this.#parts.response, this.#parts.closing);
  }

  #release(): void {
    this.#hasAnswered = true;
    this.#parts.release();
  }
}
