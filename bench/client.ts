// An Engine API client over kept-alive connections to a unix socket: the same for every daemon.

import { Agent, type IncomingMessage, request } from "node:http";
import { buffer } from "node:stream/consumers";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class Client {
  readonly #socketPath: string;
  readonly #agent: Agent;

  constructor(socketPath: string, connections = 1) {
    this.#socketPath = socketPath;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  get(path: string): Promise<Answer> {
    return this.#send("GET", path);
  }

  post(path: string, body?: unknown): Promise<Answer> {
    return this.#send("POST", path, body);
  }

  delete(path: string): Promise<Answer> {
    return this.#send("DELETE", path);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @throws when the status is 400 or more, or nobody answers */
  async #send(method: string, path: string, body?: unknown): Promise<Answer> {
    const isRaw = body instanceof Uint8Array;
    const payload = body === undefined ? undefined : isRaw ? body : Buffer.from(JSON.stringify(body));
    const headers = {
      "content-length": payload?.length ?? 0,
      ...(payload && { "content-type": isRaw ? "application/x-tar" : "application/json" }),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
      request(options, resolve).on("error", reject).end(payload);
    });
    const text = (await buffer(response)).toString();
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.trim()}`);
    return { status, body: readJson(text) };
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A text field of an answer's object. @throws when it is not there */
export function textOf({ body }: Answer, key: string): string {
  const value =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[key] : undefined;
  if (typeof value !== "string") throw new Error(`the answer has no ${key}: ${JSON.stringify(body)}`);
  return value;
}
