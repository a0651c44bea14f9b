// One etcd member as gRPC reaches it: calls and streams, and whether it is worth asking. What to do when it fails is
// decided elsewhere.

import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  connectivityState,
  credentials,
  Client as GrpcClient,
  Metadata as Headers,
  type Metadata,
} from "@grpc/grpc-js";
import type { Endpoint } from "./endpoint.ts";
import { type Failure, notReached, replaced } from "./errors.ts";

/** PEM texts. */
export interface Tls {
  /** Who may have signed the members' certificates; undefined: those the system trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the members' certificates are for, when it is not the endpoint's. */
  readonly serverName?: string;
}

/** What gRPC needs of a method's descriptor. */
export interface Method<I extends DescMessage, O extends DescMessage> {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: I;
  readonly output: O;
}

export type Duplex<I extends DescMessage, O extends DescMessage> = ClientDuplexStream<
  MessageInitShape<I>,
  MessageShape<O>
>;

/** First and longest time for which a member that failed is asked last. */
const suspicionMs = { first: 2_000, most: 30_000 };

/** Owns one HTTP/2 connection, made when it is needed and made again by itself. */
export class Connection {
  readonly endpoint: Endpoint;
  readonly #client: GrpcClient;
  /** Calls under way. */
  readonly #calls = new Set<{ cancel(): void }>();
  #suspectUntil = 0;
  #failures = 0;
  #isRetired = false;

  constructor(endpoint: Endpoint, tls: Tls | undefined) {
    this.endpoint = endpoint;
    this.#client = new GrpcClient(endpoint.target, credentialsOf(endpoint, tls), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      // etcd hangs up on who pings more often than every 5 s (--grpc-keepalive-min-time)
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 3_000,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      ...(tls?.serverName && { "grpc.ssl_target_name_override": tls.serverName }),
    });
  }

  get name(): string {
    return this.endpoint.name;
  }

  /** It failed, and others are asked first until then (by `performance.now`); 0: it did not. */
  get suspectUntil(): number {
    return this.#suspectUntil > performance.now() ? this.#suspectUntil : 0;
  }

  /** It failed; the more often in a row, the longer it is asked last. */
  blame(): void {
    const lasting = Math.min(suspicionMs.first * 2 ** this.#failures++, suspicionMs.most);
    this.#suspectUntil = performance.now() + lasting;
  }

  praise(): void {
    this.#failures = 0;
    this.#suspectUntil = 0;
  }

  /** Waits for the connection, or for the reason why there is none, which the next call then says. */
  async reach(timeoutMs: number): Promise<Failure | undefined> {
    const deadline = Date.now() + timeoutMs;
    const channel = this.#client.getChannel();
    let state = channel.getConnectivityState(true);
    for (let changes = 0; changes < 10 && state !== connectivityState.READY; changes++) {
      if (state === connectivityState.TRANSIENT_FAILURE && changes > 0) return undefined;
      if (state === connectivityState.SHUTDOWN) return replaced();
      const before = state;
      const isInTime = await new Promise<boolean>((resolve) =>
        channel.watchConnectivityState(before, deadline, (error) => resolve(!error)),
      );
      state = channel.getConnectivityState(true);
      // in a row of failures gRPC shows no states between them: the call will say what the last one was
      if (!isInTime) return state === connectivityState.TRANSIENT_FAILURE ? undefined : notReached(timeoutMs);
    }
    return undefined;
  }

  async call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    request: MessageInitShape<I>,
    { headers, timeoutMs }: { readonly headers: Metadata; readonly timeoutMs: number },
  ): Promise<MessageShape<O>> {
    return await new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        writer(method.input),
        reader(method.output),
        request,
        headers,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          this.#calls.delete(call);
          this.#closeRetired();
          if (error) reject(error);
          else if (response === undefined) reject(new Error(`${method.name}: an empty answer`));
          else resolve(response);
        },
      );
      this.#calls.add(call);
    });
  }

  stream<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    headers: Metadata,
  ): Duplex<I, O> {
    return this.#client.makeBidiStreamRequest(
      pathOf(method),
      writer(method.input),
      reader(method.output),
      headers,
      {},
    );
  }

  /** Another connection to the member takes its place: calls under way end as they would. */
  retire(): void {
    this.#isRetired = true;
    this.#closeRetired();
  }

  #closeRetired(): void {
    if (this.#isRetired && this.#calls.size === 0) this.#client.close();
  }

  /** Calls under way end as cancelled. */
  close(): void {
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }
}

/** What goes with each call: refuse if you have lost your leader (`hasleader`), and who we are. */
export function callHeaders(token: string | undefined): Metadata {
  const headers = new Headers();
  headers.set("hasleader", "true");
  if (token) headers.set("token", token);
  return headers;
}

function credentialsOf(endpoint: Endpoint, tls: Tls | undefined): ChannelCredentials {
  if (!(endpoint.isSecure ?? tls !== undefined)) return credentials.createInsecure();
  const bytes = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(bytes(tls?.ca), bytes(tls?.key), bytes(tls?.cert));
}

function pathOf(method: { readonly name: string; readonly parent: { readonly typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function writer<D extends DescMessage>(schema: D) {
  return (init: MessageInitShape<D>): Buffer => {
    const bytes = toBinary(schema, create(schema, init));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function reader<D extends DescMessage>(schema: D) {
  return (bytes: Buffer): MessageShape<D> => fromBinary(schema, bytes);
}
