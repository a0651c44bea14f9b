// Following a prefix from a revision on, at one member.

import type { MessageShape } from "@bufbuild/protobuf";
import { EngineError, errorMessage, unavailable } from "../../util/errors.ts";
import type { Event } from "../gen/kv_pb.ts";
import { Watch, type WatchRequestSchema, type WatchResponseSchema } from "../gen/rpc_pb.ts";
import type { EtcdClient } from "./client.ts";
import type { Connection, Duplex } from "./connection.ts";
import { failureError, readFailure } from "./errors.ts";
import { prefixEnd } from "./kv.ts";

export interface WatchOptions {
  readonly prefix: string;
  readonly fromRevision: number;
  /** Every change of one revision in one call, in order; none: nothing of ours happened up to there. */
  readonly onRevision: (revision: number, events: readonly Event[]) => void;
}

/** A watch that runs. `ended` rejects with why it no longer does, or resolves after `close`. */
export interface RunningWatch {
  readonly ended: Promise<void>;
  close(): void;
}

/** The store has forgotten what happened since `fromRevision`. */
export class CompactedError extends EngineError {
  constructor(revision: number) {
    super(
      "unavailable",
      `follow the store's records: it has forgotten what happened before revision ${revision}`,
    );
    this.name = "CompactedError";
  }
}

const doing = "follow the store's records";
type Stream = Duplex<typeof WatchRequestSchema, typeof WatchResponseSchema>;
type Response = MessageShape<typeof WatchResponseSchema>;

/**
 * Resolves when the member follows.
 *
 * @throws CompactedError; unavailable; forbidden when our user may not read there
 */
export async function openWatch(
  client: EtcdClient,
  at: Connection,
  { timeoutMs, ...options }: WatchOptions & { readonly timeoutMs: number },
): Promise<RunningWatch> {
  const stream: Stream = await client.stream(Watch.method.watch, at);
  const created = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => undefined);
  const fail = (error: EngineError) => {
    created.reject(error);
    ended.reject(error);
    stream.cancel();
  };
  const timer = setTimeout(
    () => fail(unavailable(`${doing}: no answer within ${timeoutMs} ms (etcd at ${at.name})`)),
    timeoutMs,
  );
  const gather = new Gathering(options.onRevision);
  stream.on("data", (response: Response) => {
    const trouble = troubleOf(response, at);
    if (trouble) return fail(trouble);
    if (response.created) created.resolve();
    else
      try {
        gather.add(response);
      } catch (error) {
        fail(new EngineError("internal", `${doing}: ${errorMessage(error)}`, { cause: error }));
      }
  });
  stream.on("error", (error) => fail(failureError(doing, at.name, readFailure(error), error)));
  stream.on("end", () => fail(unavailable(`${doing}: the member ended the stream (etcd at ${at.name})`)));
  stream.write({ requestUnion: { case: "createRequest", value: createRequest(options) } });
  try {
    await created.promise;
  } finally {
    clearTimeout(timer);
  }
  const close = () => {
    ended.resolve();
    stream.cancel();
  };
  return { ended: ended.promise, close };
}

/** Puts a revision together whose events come in several messages. */
class Gathering {
  readonly #tell: WatchOptions["onRevision"];
  #pieces: Event[] = [];

  constructor(tell: WatchOptions["onRevision"]) {
    this.#tell = tell;
  }

  add(response: Response): void {
    this.#pieces.push(...response.events);
    if (response.fragment) return;
    const events = this.#pieces;
    this.#pieces = [];
    // without events it is a notice of progress
    if (events.length === 0) this.#tell(Number(response.header?.revision ?? 0n), []);
    for (const [revision, own] of Map.groupBy(events, (event) => event.kv?.modRevision ?? 0n))
      this.#tell(Number(revision), own);
  }
}

function createRequest({ prefix, fromRevision }: WatchOptions) {
  return {
    key: new TextEncoder().encode(prefix),
    rangeEnd: prefixEnd(prefix),
    startRevision: BigInt(fromRevision),
    progressNotify: true,
    fragment: true,
  };
}

function troubleOf(response: Response, at: Connection): EngineError | undefined {
  if (response.compactRevision > 0n) return new CompactedError(Number(response.compactRevision));
  if (!response.canceled) return undefined;
  const reason = response.cancelReason.replace(/^rpc error: code = \w+ desc = /, "");
  return failureError(
    doing,
    at.name,
    readFailure(new Error(reason || "the member ended the watch")),
    undefined,
  );
}
