// The Engine API over HTTP: version negotiation, JSON in and out, the daemon's errors. One instance serves one command.

import type { Socket } from "node:net";
import { errorMessage } from "../../util/errors.ts";
import { ConnectError } from "../errors.ts";
import { openConnection, type TlsMaterial } from "./connect.ts";
import type { Endpoint } from "./host.ts";
import {
  keepsAlive,
  type RequestBody,
  type ResponseHead,
  readBody,
  readResponseHead,
  sendRequest,
} from "./http.ts";
import { parseJson } from "./json.ts";
import { type Query, queryText } from "./query.ts";
import { SocketReader } from "./reader.ts";
import { apiError, collect, type EngineResponse, responseOf } from "./response.ts";
import { compareVersions, maxApiVersion, minApiVersion } from "./versions.ts";

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as is, with `Content-Type` from the headers. */
  readonly body?: RequestBody;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A connection that the daemon handed over: raw bytes both ways, paused; `early` is what came with the response head. */
export interface Hijacked {
  readonly socket: Socket;
  readonly early: Buffer;
  readonly contentType: string;
}

export interface EngineOptions {
  readonly endpoint: Endpoint;
  readonly tls: TlsMaterial | undefined;
  /** Pins the version (DOCKER_API_VERSION); no negotiation then. */
  readonly apiVersion: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

interface Connection {
  readonly socket: Socket;
  readonly reader: SocketReader;
}

/** One daemon, for one command. `close` ends what is open. */
export class EngineClient {
  readonly endpoint: Endpoint;
  readonly #options: EngineOptions;
  readonly #open = new Set<Socket>();
  #idle: Connection | undefined;
  #version: Promise<string> | undefined;
  #pinged: ReadonlyMap<string, string> = new Map();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.endpoint = options.endpoint;
  }

  /** The API version in use: the lower of ours and the daemon's. An unreachable daemon gives ours. */
  version(): Promise<string> {
    this.#version ??= this.#negotiate();
    return this.#version;
  }

  /** What the daemon said about itself in answer to the ping (`ostype`, `builder-version`, …). */
  async pingHeaders(): Promise<ReadonlyMap<string, string>> {
    await this.version();
    return this.#pinged;
  }

  /** Parsed JSON of a GET. Throws ApiError, ConnectError. */
  async get<T>(path: string, query: Query = {}): Promise<T> {
    return parseJson(await this.text("GET", path, { query })) as T;
  }

  /** Parsed JSON of a POST; undefined for an empty answer. */
  async post<T>(path: string, options: RequestOptions = {}): Promise<T> {
    const text = await this.text("POST", path, options);
    return (text.trim() === "" ? undefined : parseJson(text)) as T;
  }

  async delete(path: string, query: Query = {}): Promise<string> {
    return this.text("DELETE", path, { query });
  }

  /** The whole body as text. */
  async text(method: string, path: string, options: RequestOptions = {}): Promise<string> {
    const response = await this.send(method, path, options);
    return collect(response.body);
  }

  /** Sends and gives the answer once its head is there. Throws ApiError for a status of 400 and up. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<EngineResponse> {
    const url = `/v${await this.version()}${path}${queryText(options.query ?? {})}`;
    const body = options.json === undefined ? options.body : Buffer.from(JSON.stringify(options.json));
    const type = options.json === undefined ? {} : { "Content-Type": "application/json" };
    const response = await this.#exchange(method, url, { ...type, ...options.headers }, body);
    if (response.status >= 400) throw await apiError(response, url);
    return response;
  }

  /** Asks the daemon to hand the connection over (attach, exec start). */
  async hijack(path: string, options: RequestOptions = {}): Promise<Hijacked> {
    const url = `/v${await this.version()}${path}${queryText(options.query ?? {})}`;
    const body = Buffer.from(options.json === undefined ? "" : JSON.stringify(options.json));
    const headers = { Connection: "Upgrade", Upgrade: "tcp", "Content-Type": "application/json" };
    const connection = await this.#connect("POST", url);
    await sendRequest(connection.socket, this.#head("POST", url, headers), body);
    const head = await this.#readHead(connection.reader, "POST", url);
    if (head.status >= 400)
      throw await apiError(responseOf(head, readBody(connection.reader, head, "POST")), url);
    if (head.status !== 101) throw new Error(`unable to upgrade to tcp, received ${head.status}`);
    const early = connection.reader.release();
    return { socket: connection.socket, early, contentType: head.headers.get("content-type") ?? "" };
  }

  /** Ends every connection. */
  close(): void {
    for (const socket of this.#open) socket.destroy();
    this.#open.clear();
  }

  async #negotiate(): Promise<string> {
    if (this.#options.apiVersion) return this.#options.apiVersion;
    try {
      const response = await this.#exchange("HEAD", "/_ping", {}, undefined);
      for await (const _ of response.body);
      this.#pinged = response.headers;
      return commonVersion(response.headers.get("api-version"));
    } catch (error) {
      if (error instanceof ConnectError) return maxApiVersion; // the request itself will say so
      throw error;
    }
  }

  async #exchange(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body: RequestBody,
  ): Promise<EngineResponse> {
    const connection = this.#takeIdle() ?? (await this.#connect(method, url));
    const { socket, reader } = connection;
    // A body that cannot be read ends the connection, and with it the wait for an answer.
    sendRequest(socket, this.#head(method, url, headers), body).catch((error: Error) =>
      socket.destroy(error),
    );
    const head = await this.#readHead(reader, method, url);
    return responseOf(head, this.#bodyOf(connection, head, method));
  }

  async *#bodyOf(connection: Connection, head: ResponseHead, method: string): AsyncGenerator<Buffer, void> {
    yield* readBody(connection.reader, head, method);
    if (keepsAlive(head)) this.#idle = connection;
    else connection.socket.destroy();
  }

  #takeIdle(): Connection | undefined {
    const idle = this.#idle;
    this.#idle = undefined;
    return idle && !idle.socket.destroyed && !idle.socket.readableEnded ? idle : undefined;
  }

  async #connect(method: string, url: string): Promise<Connection> {
    const socket = await openConnection(this.#options, this.#doing(method, url));
    this.#open.add(socket);
    socket.on("error", () => {}); // readers see it as the end of the stream
    return { socket, reader: new SocketReader(socket) };
  }

  /** A connection that ends instead of answering, or speaks no HTTP, is one that did not come about. */
  async #readHead(reader: SocketReader, method: string, url: string): Promise<ResponseHead> {
    try {
      return await readResponseHead(reader);
    } catch (error) {
      throw new ConnectError(
        `error during connect: ${this.#doing(method, url)}: ${failureText(error)}`,
        error,
      );
    }
  }

  /** The request as Go's client names it in errors. */
  #doing(method: string, url: string): string {
    return `${method.charAt(0)}${method.slice(1).toLowerCase()} ${JSON.stringify(this.#shownUrl(url))}`;
  }

  #shownUrl(url: string): string {
    const { endpoint } = this.#options;
    if (endpoint.kind === "unix") return `http://${encodeURIComponent(endpoint.path)}${url}`;
    return `${this.#options.tls ? "https" : "http"}://${endpoint.url.slice("tcp://".length)}${url}`;
  }

  #head(method: string, path: string, headers: Readonly<Record<string, string>>) {
    const { endpoint } = this.#options;
    const host = endpoint.kind === "unix" ? "api.moby.localhost" : endpoint.url.slice("tcp://".length);
    return { method, path, host, headers: { ...this.#options.headers, ...headers } };
  }
}

function commonVersion(server: string | undefined): string {
  if (!server) return "1.24"; // daemons before 1.25 do not say
  if (compareVersions(server, minApiVersion) < 0) return minApiVersion;
  return compareVersions(server, maxApiVersion) < 0 ? server : maxApiVersion;
}

function failureText(error: unknown): string {
  if (error instanceof Error && "reason" in error) return `tls: ${error.reason}`;
  const message = errorMessage(error);
  if (message === "unexpected EOF") return "EOF";
  const isTls = message.startsWith("malformed HTTP response");
  return isTls ? `${message}.\n* Are you trying to connect to a TLS-enabled daemon without TLS?` : message;
}
