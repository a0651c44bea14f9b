// A plugin on a socket that answers as it is told, and remembers what it was asked.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { ListenOptions } from "node:net";

export interface Asked {
  readonly method: string;
  readonly body: unknown;
  readonly text: string;
  readonly headers: IncomingMessage["headers"];
}

/** An object is a 200 with that JSON; a function does what it likes. */
export type Answer = object | ((asked: Asked, response: ServerResponse) => void | Promise<void>);

export class FakePlugin {
  readonly asked: Asked[] = [];
  readonly answers: Record<string, Answer>;
  #server: Server | undefined;

  constructor(answers: Record<string, Answer>) {
    this.answers = answers;
  }

  get methods(): string[] {
    return this.asked.map(({ method }) => method);
  }

  lastOf(method: string): unknown {
    return this.asked.findLast((each) => each.method === method)?.body;
  }

  /** `tls`: with this certificate. */
  async listen(where: ListenOptions, tls?: { readonly cert: Buffer; readonly key: Buffer }): Promise<this> {
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response);
    const server = tls ? createTlsServer(tls, answer) : createServer(answer);
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, resolve);
    });
    return this;
  }

  get port(): number {
    const address = this.#server?.address();
    if (!address || typeof address === "string") throw new Error("not on a port");
    return address.port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += chunk;
    const method = (request.url ?? "").slice(1);
    const asked = {
      method,
      text,
      body: text === "" ? undefined : JSON.parse(text),
      headers: request.headers,
    };
    this.asked.push(asked);
    const answer = this.answers[method];
    if (typeof answer === "function") return await answer(asked, response);
    if (answer === undefined) response.writeHead(404).end("404 page not found\n");
    else response.end(JSON.stringify(answer));
  }
}

/** Answers with a status and a text. */
export function status(code: number, text: string): Answer {
  return (_, response) => void response.writeHead(code).end(text);
}
