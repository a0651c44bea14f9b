// One HTTP exchange with a registry: keep-alive, redirects, time limits and aborts. Knows nothing of repositories.

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { cancelledBy, throwIfAborted } from "../shared-work.ts";
import { unreachable } from "./errors.ts";

export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, or streamed. */
  readonly body?: Uint8Array | Readable;
  readonly signal: AbortSignal;
}

export interface HttpOptions {
  readonly verifiesTls: boolean;
  /** False: straight to the registry, whatever HTTP_PROXY says. */
  readonly usesProxy: boolean;
  readonly userAgent: string;
  /** A connection that is silent for so long is given up, in milliseconds. */
  readonly idleTimeoutMs?: number;
}

const redirects = [301, 302, 303, 307, 308];
const maxRedirects = 5;

/** A keep-alive client for one registry. The owner closes it. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: HttpOptions) {
    this.#options = options;
    // Node itself reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY from the environment that an agent is given.
    const common = { keepAlive: true, maxSockets: 16, ...(options.usesProxy && { proxyEnv: process.env }) };
    this.#http = new HttpAgent(common);
    this.#https = new HttpsAgent({ ...common, rejectUnauthorized: options.verifiesTls });
  }

  /** Sends a request; GET and HEAD follow redirects. The body is still to be read. Throws UnreachableError or cancelled. */
  async send(exchange: Exchange): Promise<IncomingMessage> {
    let current = exchange;
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const response = await this.#sendOnce(current);
      const { location } = response.headers;
      const isRedirect = redirects.includes(response.statusCode ?? 0) && location !== undefined;
      if (!isRedirect || !["GET", "HEAD"].includes(exchange.method)) return response;
      response.resume();
      current = redirected(current, new URL(location, current.url));
    }
    throw unreachable(exchange.method, exchange.url, new Error(`stopped after ${maxRedirects} redirects`));
  }

  /** Closes idle connections, and the others when they are done: a download may outlive the pull that began it. */
  close(): void {
    for (const agent of [this.#http, this.#https]) {
      agent.maxFreeSockets = 0;
      for (const sockets of Object.values(agent.freeSockets))
        for (const socket of sockets ?? []) socket.destroy();
    }
  }

  async #sendOnce({ method, url, headers, body, signal }: Exchange): Promise<IncomingMessage> {
    throwIfAborted(signal);
    const isTls = url.protocol === "https:";
    const request = (isTls ? httpsRequest : httpRequest)(url, {
      method,
      agent: isTls ? this.#https : this.#http,
      headers: { "user-agent": this.#options.userAgent, ...headers },
      signal,
    });
    request.setTimeout(this.#options.idleTimeoutMs ?? 30_000, () =>
      request.destroy(new Error("i/o timeout")),
    );
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", (error) =>
        reject(signal.aborted ? cancelledBy(signal) : unreachable(method, url, error)),
      );
    });
    if (body instanceof Uint8Array) request.end(body);
    // A registry may answer before it has read everything: then its answer counts, not the broken pipe.
    else if (body) pipeline(body, request).catch((error: Error) => request.destroy(error));
    else request.end();
    return await response;
  }
}

/** The response's text, at most `limit` bytes of it. */
export async function bodyOf(response: IncomingMessage, limit = 4 * 1024 * 1024): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > limit) throw new Error(`response of more than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}

/** Credentials stay with the host that they were given for. */
function redirected(exchange: Exchange, url: URL): Exchange {
  if (url.host === exchange.url.host && url.protocol === exchange.url.protocol) return { ...exchange, url };
  const { authorization: _, ...headers } = exchange.headers ?? {};
  return { ...exchange, url, headers };
}
