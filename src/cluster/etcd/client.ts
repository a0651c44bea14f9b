// Calls to a cluster of etcd members: whoever answers. A dead member is asked last, a token that ran out is renewed, and
// what may have happened already is not done twice.

import { isDeepStrictEqual } from "node:util";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { EngineError, unavailable } from "../../util/errors.ts";
import { type Log, silentLog } from "../../util/log.ts";
import { Auth } from "../gen/rpc_pb.ts";
import { Connection, callHeaders, type Duplex, type Method, type Tls } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Failure, failureError, readFailure } from "./errors.ts";

export interface EtcdOptions {
  /** In the order in which they are asked. */
  readonly endpoints: readonly Endpoint[];
  readonly tls?: Tls;
  readonly auth?: { readonly user: string; readonly password: string };
  readonly log?: Log;
}

export interface CallOptions {
  /** What the caller wants, for errors: "read the cluster's records". */
  readonly doing: string;
  /** Doing it twice is as good as once: then another member is asked when one does not answer. */
  readonly isRepeatable?: boolean;
  /** For all attempts together; default 5 s. */
  readonly timeoutMs?: number;
  /** This member and no other. */
  readonly at?: Connection;
}

const limits = { callMs: 5_000, connectMs: 1_000, attemptMs: 2_000, pauseMs: 100, attempts: 100 };

/** Owns a connection to each member. */
export class EtcdClient implements Disposable {
  #connections: readonly Connection[];
  #tls: Tls | undefined;
  #auth: EtcdOptions["auth"];
  readonly #log: Log;
  #token: Promise<string | undefined> | undefined;

  constructor({ endpoints, tls, auth, log = silentLog }: EtcdOptions) {
    this.#connections = endpoints.map((endpoint) => new Connection(endpoint, tls));
    this.#tls = tls;
    this.#auth = auth;
    this.#log = log;
  }

  /** Other members or credentials from now on. Connections that stay the same stay; calls under way at members that are none any more end. */
  use({ endpoints, tls, auth }: Pick<EtcdOptions, "endpoints" | "tls" | "auth">): void {
    const before = isSame(tls, this.#tls) ? this.#connections : [];
    const kept = (endpoint: Endpoint) => before.find((connection) => isSame(connection.endpoint, endpoint));
    const connections = endpoints.map((endpoint) => kept(endpoint) ?? new Connection(endpoint, tls));
    for (const old of this.#connections.filter((one) => !connections.includes(one)))
      if (connections.some(({ name }) => name === old.name)) old.retire();
      else old.close();
    if (!isSame(auth, this.#auth)) this.#token = undefined;
    this.#connections = connections;
    this.#tls = tls;
    this.#auth = auth;
  }

  /** Members, those worth asking first. */
  connections(): Connection[] {
    return this.#connections.toSorted((a, b) => a.suspectUntil - b.suspectUntil);
  }

  /**
   * One answer. A write whose answer is lost fails as unavailable and may have happened.
   *
   * @throws EngineError that says what was tried at which member
   */
  async call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
  ): Promise<MessageShape<O>> {
    const deadline = performance.now() + (options.timeoutMs ?? limits.callMs);
    const tried = new Map<string, string>();
    for (let round = 0; round < limits.attempts; round++) {
      let isWorthWaiting = false;
      for (const connection of options.at ? [options.at] : this.connections()) {
        const result = await this.#attempt(connection, method, request, { ...options, deadline });
        if ("response" in result) return result.response;
        const { failure, cause } = result;
        const mayRepeat = failure.isUndone || options.isRepeatable === true;
        // the last attempt is cut short by the end of the time: what a member said before is why
        const words = (mayRepeat && failure.isSilent && tried.get(connection.name)) || failure.words;
        if (
          failure.retry === "final" ||
          failure.retry === "token" ||
          !mayRepeat ||
          isAlone(this.#connections, failure)
        )
          throw failureError(options.doing, connection.name, { ...failure, words }, cause);
        tried.set(connection.name, words);
        isWorthWaiting ||= failure.retry === "soon";
      }
      if (!isWorthWaiting || performance.now() + limits.pauseMs >= deadline) break;
      await new Promise((resolve) => setTimeout(resolve, limits.pauseMs));
    }
    throw unavailable(`${options.doing}: ${triedWords(tried)}`);
  }

  /** A stream at one member, with the token of the day. The caller listens for its errors and ends it. */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    at: Connection,
  ): Promise<Duplex<I, O>> {
    return at.stream(method, callHeaders(await this.#currentToken(at)));
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #attempt<I extends DescMessage, O extends DescMessage>(
    connection: Connection,
    method: Method<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions & { readonly deadline: number },
  ): Promise<
    { readonly response: MessageShape<O> } | { readonly failure: Failure; readonly cause: unknown }
  > {
    for (let tokens = 0; ; tokens++) {
      const left = Math.max(1, Math.floor(options.deadline - performance.now()));
      const unreached = await connection.reach(Math.min(left, limits.connectMs));
      if (unreached) return this.#blamed(connection, unreached, undefined);
      const asked = this.#token;
      try {
        const headers = callHeaders(await this.#currentToken(connection));
        const isOneOfMany = options.isRepeatable === true && this.#connections.length > 1 && !options.at;
        const timeoutMs = isOneOfMany ? Math.min(left, limits.attemptMs) : left;
        const response = await connection.call(method, request, { headers, timeoutMs });
        connection.praise();
        return { response };
      } catch (error) {
        if (error instanceof EngineError) throw error;
        const failure = readFailure(error);
        if (failure.retry === "elsewhere" || failure.retry === "soon")
          return this.#blamed(connection, failure, error);
        if (failure.retry !== "token" || !this.#auth || tokens > 0) return { failure, cause: error };
        if (this.#token === asked || asked === undefined) this.#token = undefined;
      }
    }
  }

  #blamed(connection: Connection, failure: Failure, cause: unknown) {
    connection.blame();
    this.#log.debug({ member: connection.name, reason: failure.words }, "etcd member failed");
    return { failure, cause };
  }

  /** Asked for once by however many calls need it. */
  #currentToken(connection: Connection): Promise<string | undefined> {
    if (!this.#auth) return Promise.resolve(undefined);
    if (!this.#token) {
      const asked = this.#authenticate(connection, this.#auth);
      this.#token = asked;
      asked.catch(() => {
        if (this.#token === asked) this.#token = undefined;
      });
    }
    return this.#token;
  }

  async #authenticate(
    connection: Connection,
    { user, password }: { readonly user: string; readonly password: string },
  ): Promise<string | undefined> {
    try {
      const request = { name: user, password };
      const options = { headers: callHeaders(undefined), timeoutMs: limits.attemptMs };
      return (await connection.call(Auth.method.authenticate, request, options)).token;
    } catch (error) {
      // A store that asks for no user takes everybody; etcd's own client goes on too.
      if (String((error as { details?: unknown }).details).includes("authentication is not enabled"))
        return undefined;
      const failure = readFailure(error);
      if (failure.retry === "final")
        throw failureError(`log in to the store as ${user}`, connection.name, failure, error);
      throw error;
    }
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b);
}

/** With one member there is nobody else to ask, unless waiting helps. */
function isAlone(connections: readonly Connection[], failure: Failure): boolean {
  return connections.length === 1 && failure.retry === "elsewhere";
}

function triedWords(tried: ReadonlyMap<string, string>): string {
  return [...tried].map(([member, words]) => `${words} (etcd at ${member})`).join("; ");
}
