// The proxy's control socket: daemons connect, say what they want, and go; what they said stays.

import { chmodSync, rmSync } from "node:fs";
import {
  type ChannelMessage,
  connectChannel,
  type FdChannel,
  listenChannel,
  openChannel,
} from "../kernel/fd-channel.ts";
import { closeFd } from "../kernel/socket.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import {
  fdsPerMessage,
  forwardFromWire,
  type Hello,
  type Numbered,
  parkedFromWire,
  protocolVersion,
  type Reply,
  type Request,
  resolverConfigFromWire,
  toWire,
  zoneRecordFromWire,
} from "./messages.ts";
import type { Mentioned, Serving } from "./serving.ts";
import type { Forward, ParkedSockets } from "./types.ts";

export interface ControlOptions {
  readonly path: string;
  readonly serving: Serving;
  /** A daemon asked for the end. */
  readonly stop: () => void;
  readonly log: Log;
}

/**
 * Listens at `path`, for root alone; a socket file that nobody answers at is replaced.
 * @throws Error when another proxy answers there
 */
export function listenForDaemons(options: ControlOptions): { close(): void } {
  const { path } = options;
  if (isAnswered(path)) throw new Error(`listen at ${path}: another proxy does`);
  rmSync(path, { force: true });
  const sessions = new Set<Session>();
  const listener = listenChannel(path, (fd) => {
    const session: Session = new Session(fd, options, () => sessions.delete(session));
    sessions.add(session);
  });
  chmodSync(path, 0o600);
  return {
    close: () => {
      listener.close();
      rmSync(path, { force: true }); // before the daemons learn of the end, who may start another here
      for (const session of [...sessions]) session.close();
    },
  };
}

function isAnswered(path: string): boolean {
  try {
    connectChannel(path, { message: () => undefined, closed: () => undefined }).close();
    return true;
  } catch {
    return false; // nobody listens: the file is left over
  }
}

/** One daemon's connection. */
class Session {
  readonly #options: ControlOptions;
  readonly #channel: FdChannel;
  readonly #mentioned: Mentioned = { owners: new Set(), sandboxes: new Set(), endpoints: new Set() };
  /** Parts of wishes that come in several messages. */
  readonly #partial = new Map<string, { readonly forwards: Forward[]; readonly held: ParkedSockets[] }>();

  constructor(fd: number, options: ControlOptions, ended: () => void) {
    this.#options = options;
    this.#channel = openChannel(fd, {
      message: (message) => void this.#onMessage(message),
      closed: () => {
        for (const { held } of this.#partial.values()) for (const { fd } of held) closeFd(fd);
        ended();
      },
    });
  }

  close(): void {
    this.#channel.close();
  }

  async #onMessage({ bytes, fds }: ChannelMessage): Promise<void> {
    const request = JSON.parse(bytes.toString()) as Numbered<Request>;
    try {
      const result = await this.#handle(request, fds);
      await this.#send({ id: request.id, result: result ?? null });
      if (request.op === "stop") this.#options.stop();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
      await this.#send({ id: request.id, error: errorMessage(error), ...(code ? { code } : {}) });
    }
  }

  /** Handlers run up to their first `await` at once, so in the order of the messages. */
  async #handle(request: Request, fds: readonly number[]): Promise<unknown> {
    const { serving } = this.#options;
    switch (request.op) {
      case "hello":
        return { version: protocolVersion, pid: process.pid } satisfies Hello;
      case "forwards":
        return this.#setForwards(request, fds);
      case "resolver": {
        mention(this.#mentioned.sandboxes, request.sandbox, request.config);
        return await serving.setResolver(
          request.sandbox,
          request.config ? resolverConfigFromWire(request.config) : undefined,
          request.ports ?? undefined,
        );
      }
      case "record": {
        mention(this.#mentioned.endpoints, request.endpoint, request.record);
        return serving.setRecord(
          request.endpoint,
          request.record ? zoneRecordFromWire(request.record) : undefined,
        );
      }
      case "streams":
        return serving.streams.hold(request.key, request.paths);
      case "retainStreams":
        return serving.streams.retain(new Set(request.keys));
      case "sweep":
        return await serving.sweep(this.#mentioned);
      case "sockets":
        return await this.#sendSockets(request);
      case "counters":
        return serving.counters();
      case "stop":
        return undefined;
    }
  }

  #setForwards(request: Request & { op: "forwards" }, fds: readonly number[]): void {
    const { owner, forwards, held, more } = request;
    const whole = this.#partial.get(owner) ?? { forwards: [], held: [] };
    this.#partial.set(owner, whole);
    whole.held.push(...held.map((parked, at) => parkedFromWire(parked, fds[at] ?? -1)));
    whole.forwards.push(...forwards.map(forwardFromWire));
    if (more) return;
    this.#partial.delete(owner);
    mention(this.#mentioned.owners, owner, whole.forwards.length + whole.held.length > 0);
    this.#options.serving.setForwards(owner, whole.forwards, whole.held);
  }

  /** The descriptors of all batches, as copies that the daemon gets. */
  async #sendSockets(request: Request): Promise<unknown> {
    const held = this.#options.serving.held();
    const { id } = request as Numbered<Request>;
    const describe = ({ fd: _, ...rest }: ParkedSockets) => toWire(rest);
    for (let at = 0; at < held.length; at += fdsPerMessage) {
      const part = held.slice(at, at + fdsPerMessage);
      const fds = part.map(({ fd }) => fd);
      await this.#send({ id, result: part.map(describe), more: true }, fds);
    }
    return [];
  }

  async #send(reply: Reply, fds: readonly number[] = []): Promise<void> {
    try {
      await this.#channel.send(Buffer.from(JSON.stringify(reply)), fds);
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, "the daemon did not wait for its reply");
    }
  }
}

function mention(known: Set<string>, id: string, wish: unknown): void {
  if (wish) known.add(id);
  else known.delete(id);
}
