// An engine for the client's tests: canned answers on a unix socket, and a record of what was asked.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../../../src/cli/program.ts";
import type { Output } from "../../../src/cli/streams.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

export type Answer = (asked: Asked, response: ServerResponse) => void;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export class FakeEngine implements AsyncDisposable {
  readonly folder: string;
  readonly asked: Asked[] = [];
  apiVersion = "1.50";
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #answers = new Map<string, Answer>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(join(tmpdir(), `cli-${process.pid}-`)));
    await new Promise<void>((resolve) => engine.#server.listen(engine.socket, resolve));
    return engine;
  }

  get socket(): string {
    return join(this.folder, "engine.sock");
  }

  get host(): string {
    return `unix://${this.socket}`;
  }

  /** Sets the answer to `METHOD /path`, the path without its version. */
  on(what: string, answer: Answer): this {
    this.#answers.set(what, answer);
    return this;
  }

  /** The same with a JSON body. */
  json(what: string, body: unknown, status = 200): this {
    return this.on(what, (_, response) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
  }

  refuse(what: string, status: number, message: string): this {
    return this.json(what, { message }, status);
  }

  /** The requests but for pings, as `METHOD /path?query`. */
  get lines(): string[] {
    return this.asked
      .filter((one) => one.path !== "/_ping")
      .map((one) => `${one.method} ${one.path}${one.query.size > 0 ? `?${one.query}` : ""}`);
  }

  lastBody(): unknown {
    return JSON.parse(this.asked.at(-1)?.body ?? "null");
  }

  /** Runs a command line against this engine. */
  run(...argv: string[]): Promise<Ran> {
    return runCli(argv, { DOCKER_HOST: this.host, DOCKER_CONFIG: this.folder });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.folder, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "/", "http://engine");
    const asked: Asked = {
      method: request.method ?? "",
      path: url.pathname.replace(/^\/v\d+\.\d+/, ""),
      query: url.searchParams,
      body: Buffer.concat(chunks).toString("utf8"),
      headers: request.headers,
    };
    this.asked.push(asked);
    response.setHeader("Api-Version", this.apiVersion);
    response.setHeader("Ostype", "linux");
    const answer = this.#answers.get(`${asked.method} ${asked.path}`);
    if (answer) answer(asked, response);
    else
      response.writeHead(asked.path === "/_ping" ? 200 : 404, { "Content-Type": "application/json" }).end();
  }
}

/** Runs a command line in this process, its streams caught. */
export async function runCli(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const out = new Caught();
  const err = new Caught();
  const streams = { out, err, stdinIsTerminal: false };
  try {
    await runProgram(argv, { streams, env });
    return { stdout: out.text, stderr: err.text, exitCode: 0 };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== "") err.line(message);
    const exitCode = error instanceof Error && "exitCode" in error ? Number(error.exitCode) : 1;
    return { stdout: out.text, stderr: err.text, exitCode };
  }
}

/** An output that keeps what is written. */
export class Caught implements Output {
  readonly isTerminal: boolean;
  text = "";

  constructor(isTerminal = false) {
    this.isTerminal = isTerminal;
  }

  write(data: string | Uint8Array): void {
    this.text += typeof data === "string" ? data : Buffer.from(data).toString("utf8");
  }

  line(...words: string[]): void {
    this.write(`${words.join(" ")}\n`);
  }
}
