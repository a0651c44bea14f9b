// One call to a plugin: HTTP, always POST, JSON there and back, as dockerd does it (pkg/plugins/client.go).

import { readFile } from "node:fs/promises";
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { EngineError, errorMessage, notImplemented, unavailable } from "../util/errors.ts";
import type { PluginAddress, PluginTls } from "./address.ts";

const accepted = "application/vnd.docker.plugins.v1.2+json";
/** Far more than any answer of the protocol needs. */
const mostBytes = 16 << 20;
/** More connections than that at a time wait for each other. */
const mostConnections = 64;

export interface CallOptions {
  /** When the plugin has not answered by then, it does not. */
  readonly timeoutMs: number;
}

/** Owns connections to one plugin. */
export class PluginClient {
  readonly #name: string;
  readonly #address: PluginAddress;
  readonly #agent: Agent;

  private constructor(name: string, address: PluginAddress, agent: Agent) {
    this.#name = name;
    this.#address = address;
    this.#agent = agent;
  }

  /** Connects to nobody yet. @throws unavailable when a certificate cannot be read */
  static async open(name: string, address: PluginAddress): Promise<PluginClient> {
    // a connection each: on one that was kept nobody can tell whether a plugin that ended has read the call
    const pooled = { keepAlive: false, maxSockets: mostConnections };
    const tls = address.kind === "http" ? address.tls : undefined;
    const agent = tls ? new TlsAgent({ ...pooled, ...(await readTls(name, tls)) }) : new Agent(pooled);
    return new PluginClient(name, address, agent);
  }

  /**
   * The body of a 200 as it came. @throws `NotReached` (unavailable) when nothing was delivered; unavailable when it does
   * not answer in time or breaks off; not-implemented for 404; internal with the plugin's words for any other status
   */
  async call(
    method: string,
    body: object | undefined,
    { timeoutMs }: CallOptions,
  ): Promise<Readonly<Record<string, unknown>>> {
    const called = `plugin ${this.#name}: ${method}`;
    const { status, text } = await this.#post(method, body, timeoutMs);
    if (status === 404) throw notImplemented(`${called}: the plugin has no such method`);
    if (status !== 200)
      throw new EngineError("internal", `${called}: ${refusalIn(text) || `status ${status}`}`);
    return parsed(called, text);
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(
    method: string,
    body: object | undefined,
    timeoutMs: number,
  ): Promise<{ status: number; text: string }> {
    const called = `plugin ${this.#name}: ${method}`;
    const payload = body === undefined ? "" : JSON.stringify(body);
    const options: RequestOptions = {
      ...this.#where(),
      agent: this.#agent,
      method: "POST",
      path: `/${method}`,
      headers: { Accept: accepted, "Content-Length": Buffer.byteLength(payload) },
      signal: AbortSignal.timeout(timeoutMs),
    };
    const isUnix = this.#address.kind === "unix";
    const isTls = !isUnix && this.#address.tls !== undefined;
    return new Promise((resolve, reject) => {
      let isConnected = false;
      const fail = (error: unknown) => {
        const reason = isTimeout(error) ? `no answer within ${timeoutMs / 1000} s` : errorMessage(error);
        const text = `${called}: ${reason}`;
        const isHeard = isTimeout(error) || (isConnected && !(isUnix && isUnread(error)));
        if (isHeard) reject(unavailable(text, error));
        else
          reject(
            new NotReached(isAbsence(error) ? `plugin ${this.#name} is not there: ${reason}` : text, error),
          );
      };
      const request = (isTls ? httpsRequest : httpRequest)(options, (response) => {
        readAll(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), fail);
      });
      request.on("socket", (socket) => {
        socket.once(isTls ? "secureConnect" : "connect", () => (isConnected = true));
      });
      request.on("error", fail);
      request.end(payload);
    });
  }

  #where(): RequestOptions {
    const address = this.#address;
    return address.kind === "unix"
      ? { socketPath: address.path, host: "plugin.moby.localhost" }
      : { host: address.host, port: address.port };
  }
}

/** The plugin heard nothing of the call: it may be made again. */
export class NotReached extends EngineError {
  constructor(message: string, cause: unknown) {
    super("unavailable", message, { cause });
  }
}

/**
 * Whether who ended had not read all of the call. A unix socket is reset by one that closes it with something unread or
 * before it is accepted, as of a process that is being killed; after all was read it just ends (unix_release_sock in
 * net/unix/af_unix.c).
 */
function isUnread(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  // what Node calls a reset by itself, "socket hang up", has no system call
  return (code === "ECONNRESET" && syscall === "read") || (code === "EPIPE" && syscall === "write");
}

/** Whether nobody listens. */
function isAbsence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).syscall === "connect";
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw new Error(`the answer is longer than ${mostBytes >> 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `{"Err": …}`, or the text itself. */
function refusalIn(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "Err" in value) return String(value.Err);
  } catch {
    // no JSON: then it is meant for people
  }
  return text.trim();
}

function parsed(called: string, text: string): Readonly<Record<string, unknown>> {
  // an answer that says nothing
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unavailable(`${called}: the answer is no JSON: ${text.slice(0, 100)}`, error);
  }
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw unavailable(`${called}: the answer is no JSON object: ${text.slice(0, 100)}`);
  return value as Readonly<Record<string, unknown>>;
}

async function readTls(name: string, { isVerified, ca, cert, key }: PluginTls) {
  try {
    return {
      rejectUnauthorized: isVerified,
      ...(ca !== undefined && { ca: await readFile(ca) }),
      ...(cert !== undefined && { cert: await readFile(cert) }),
      ...(key !== undefined && { key: await readFile(key) }),
    };
  } catch (error) {
    throw unavailable(`plugin ${name}: ${errorMessage(error)}`, error);
  }
}
