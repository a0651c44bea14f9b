// Serving a fake engine on a unix socket of its own, and talking to it.

import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Api, createApi } from "../../../src/api/index.ts";
import type { Engine } from "../../../src/engine/types.ts";
import { silentLog } from "../../../src/util/log.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body, parsed. */
  json(): unknown;
}

export interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An API on a socket in a folder of its own; both go when it is disposed. */
export class ServedApi implements AsyncDisposable {
  readonly path: string;
  /** What was logged as an error. */
  readonly failures: readonly object[];
  readonly #api: Api;
  readonly #folder: string;

  private constructor(api: Api, folder: string, failures: readonly object[]) {
    this.#api = api;
    this.#folder = folder;
    this.failures = failures;
    this.path = join(folder, "api.sock");
  }

  static async create(engine: Engine): Promise<ServedApi> {
    const folder = await mkdtemp(join(tmpdir(), `tsdocker-api-${process.pid}-`));
    const failures: object[] = [];
    const error = (fields: object | string) => void failures.push(Object(fields));
    const log = { ...silentLog, error };
    const api = await createApi({ engine, log, serverVersion: "0.1.0" });
    const served = new ServedApi(api, folder, failures);
    await api.listen({ kind: "unix", path: served.path });
    return served;
  }

  /** Sends a string body as it is and anything else as JSON. */
  ask(method: string, path: string, { body, headers = {} }: Ask = {}): Promise<Answer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const json = body === undefined ? {} : { "Content-Type": "application/json" };
    return new Promise((resolve, reject) => {
      const sent = request(
        { socketPath: this.path, method, path, headers: { ...json, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const answer = Buffer.concat(chunks).toString("utf8");
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: answer,
              json: () => JSON.parse(answer),
            });
          });
        },
      );
      sent.on("error", reject);
      sent.end(text);
    });
  }

  /** A raw connection. */
  dial(): RawClient {
    return new RawClient(connect({ path: this.path, allowHalfOpen: true }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A client that speaks bytes. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  send(text: string): void {
    this.socket.write(text);
  }

  /** No more from us; we go on reading. */
  halfClose(): void {
    this.socket.end();
  }

  /** Everything received so far, once it holds the text. */
  async until(text: string): Promise<string> {
    while (!this.#received.includes(text)) {
      if (this.#ended) throw new Error(`ended before ${JSON.stringify(text)}: ${this.#received}`);
      await this.#more();
    }
    return this.#received.toString("latin1");
  }

  /** Everything received once the server has ended. */
  async untilEnd(): Promise<string> {
    while (!this.#ended) await this.#more();
    return this.#received.toString("latin1");
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
