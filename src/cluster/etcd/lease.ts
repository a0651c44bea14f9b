// Leases: keys that go when their holder no longer shows signs of life.

import type { MessageShape } from "@bufbuild/protobuf";
import { EngineError, unavailable } from "../../util/errors.ts";
import { Lease, type LeaseKeepAliveRequestSchema, type LeaseKeepAliveResponseSchema } from "../gen/rpc_pb.ts";
import type { CallOptions, EtcdClient } from "./client.ts";
import type { Connection, Duplex } from "./connection.ts";
import { failureError, readFailure } from "./errors.ts";

const doing = "keep this host's lease in the store";
type Stream = Duplex<typeof LeaseKeepAliveRequestSchema, typeof LeaseKeepAliveResponseSchema>;
type Answer = MessageShape<typeof LeaseKeepAliveResponseSchema>;

/** A new lease; etcd may make its time longer than asked (at least one and a half election times). */
export async function grantLease(
  client: EtcdClient,
  ttlSeconds: number,
  options: CallOptions,
): Promise<{ readonly id: bigint; readonly ttlSeconds: number }> {
  const request = { TTL: BigInt(ttlSeconds) };
  const answer = await client.call(Lease.method.leaseGrant, request, { isRepeatable: true, ...options });
  return { id: answer.ID, ttlSeconds: Number(answer.TTL) };
}

/** Ends a lease and deletes its keys; one that is gone is success. */
export async function revokeLease(client: EtcdClient, id: bigint, options: CallOptions): Promise<void> {
  try {
    await client.call(Lease.method.leaseRevoke, { ID: id }, { isRepeatable: true, ...options });
  } catch (error) {
    if (!(error instanceof EngineError && error.kind === "not-found")) throw error;
  }
}

/** How much longer a lease lives; -1: it is gone. */
export async function leaseTimeLeft(client: EtcdClient, id: bigint, options: CallOptions): Promise<number> {
  const answer = await client.call(
    Lease.method.leaseTimeToLive,
    { ID: id },
    { isRepeatable: true, ...options },
  );
  return Number(answer.TTL);
}

/** Signs of life at one member, each answered. */
export class Pulse {
  readonly #stream: Stream;
  readonly #at: Connection;
  #waiting:
    | { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }
    | undefined;
  #failure: EngineError | undefined;

  private constructor(stream: Stream, at: Connection) {
    this.#stream = stream;
    this.#at = at;
    stream.on("data", (answer: Answer) => this.#waiting?.resolve(answer));
    stream.on("error", (error) => this.#fail(failureError(doing, at.name, readFailure(error), error)));
    stream.on("end", () =>
      this.#fail(unavailable(`${doing}: the member ended the stream (etcd at ${at.name})`)),
    );
  }

  static async open(client: EtcdClient, at: Connection): Promise<Pulse> {
    return new Pulse(await client.stream(Lease.method.leaseKeepAlive, at), at);
  }

  /** Whether the lease still lived, which it does for its whole time again. @throws unavailable */
  async beat(id: bigint, timeoutMs: number): Promise<boolean> {
    if (this.#failure) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting = { resolve, reject };
    const late = unavailable(`${doing}: no answer within ${timeoutMs} ms (etcd at ${this.#at.name})`);
    const timer = setTimeout(() => this.#fail(late), timeoutMs);
    try {
      this.#stream.write({ ID: id });
      return (await promise).TTL > 0n;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  close(): void {
    this.#fail(unavailable(`${doing}: closed`));
  }

  #fail(error: EngineError): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#stream.cancel();
  }
}
