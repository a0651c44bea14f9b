// A small gRPC client driven by protobuf descriptors: unary, server-streaming and bidirectional calls over one
// connection. Knows nothing of containerd's services.

import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ClientDuplexStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { fromGrpcError } from "./grpc-error.ts";

/** Limits of one call: `signal` cancels it, `timeoutMs` ends it with kind "unavailable". */
export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

const reconnectMs = 5000;

type Call<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : M extends DescMethodBiDiStreaming<infer I, infer O>
        ? () => ClientDuplexStream<MessageInitShape<I>, MessageShape<O>>
        : never;

type Shapes = { readonly input: DescMessage; readonly output: DescMessage };

/** A service's methods as functions. */
export type ServiceClient<S extends DescService> = {
  readonly [K in keyof S["method"]]: Call<S["method"][K]>;
};

/** One HTTP/2 connection to a server, reconnected by itself when a call needs it. */
export class Channel {
  readonly #client: GrpcClient;

  /** `target` is a gRPC target such as `unix:///run/containerd/containerd.sock`. */
  constructor(target: string) {
    this.#client = new GrpcClient(target, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // A restarted daemon is back within a second: do not sit out gRPC's default of up to two minutes.
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.min_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 500,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** The functions of one service; every call carries `headers` as metadata. */
  service<S extends DescService>(service: S, headers: Readonly<Record<string, string>>): ServiceClient<S> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const calls: Record<string, unknown> = {};
    for (const method of service.methods) {
      const path = `/${service.typeName}/${method.name}`;
      if (method.methodKind === "unary") calls[method.localName] = this.#unary(path, method, metadata);
      if (method.methodKind === "server_streaming")
        calls[method.localName] = this.#serverStream(path, method, metadata);
      if (method.methodKind === "bidi_streaming")
        calls[method.localName] = () =>
          this.#client.makeBidiStreamRequest(path, writer(method.input), reader(method.output), metadata, {});
    }
    return calls as ServiceClient<S>;
  }

  close(): void {
    this.#client.close();
  }

  #unary(path: string, method: Shapes, metadata: Metadata) {
    const send = (request: MessageInitShape<DescMessage>, options: CallOptions) =>
      new Promise<unknown>((resolve, reject) => {
        const call = this.#client.makeUnaryRequest(
          path,
          writer(method.input),
          reader(method.output),
          request,
          metadata,
          callLimits(options),
          (error, response) => {
            unwatch();
            if (error) reject(error);
            else resolve(response);
          },
        );
        const unwatch = cancelOnAbort(call, options.signal);
      });
    return async (request: MessageInitShape<DescMessage>, options: CallOptions = {}) => {
      try {
        return await send(request, options).catch(async (error) => {
          if (!wasNeverSent(error) || options.timeoutMs !== undefined) throw error;
          await this.#connected();
          return await send(request, options);
        });
      } catch (error) {
        throw fromGrpcError(error);
      }
    };
  }

  /** A server that was killed is started again: what did not reach it may wait for that. */
  async #connected(): Promise<void> {
    const deadline = Date.now() + reconnectMs;
    await new Promise<void>((resolve) => this.#client.waitForReady(deadline, () => resolve()));
  }

  #serverStream(path: string, method: Shapes, metadata: Metadata) {
    const client = this.#client;
    return async function* (request: MessageInitShape<DescMessage>, options: CallOptions = {}) {
      const stream = client.makeServerStreamRequest(
        path,
        writer(method.input),
        reader(method.output),
        request,
        metadata,
        callLimits(options),
      );
      const unwatch = cancelOnAbort(stream, options.signal);
      try {
        for await (const message of stream) yield message;
      } catch (error) {
        throw fromGrpcError(error);
      } finally {
        unwatch();
        // Leaving the loop early emits "cancelled" on a stream that nobody listens to any more.
        stream.on("error", () => undefined);
        stream.cancel();
      }
    };
  }
}

function wasNeverSent(error: unknown): boolean {
  const { code, details = "" } = error as Partial<ServiceError>;
  return code === status.UNAVAILABLE && details.startsWith("No connection established");
}

/** The answer ends the watching: a signal may outlive many calls. */
function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => call.cancel();
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}

function callLimits(options: CallOptions): { deadline?: number } {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
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
