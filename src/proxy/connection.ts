// One connection to a proxy, from the daemon's side: requests out, replies in.

import type { ZoneRecord } from "../dns/index.ts";
import { type ChannelMessage, connectChannel, type FdChannel } from "../kernel/fd-channel.ts";
import { closeFd } from "../kernel/socket.ts";
import { hasCode, internal, unavailable } from "../util/errors.ts";
import {
  fdsPerMessage,
  type Hello,
  parkedFromWire,
  type Reply,
  type Request,
  toWire,
  type WireParked,
} from "./messages.ts";
import type { Forward, ParkedSockets, ProxyCounters, ResolverConfig, ResolverPorts } from "./types.ts";

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  /** Descriptors that came with parts of the reply. */
  readonly fds: number[];
  readonly parts: unknown[];
}

/** Owned by the handle, which opens another when this one is lost. */
export class ProxyConnection {
  pid: number | undefined;
  readonly #channel: FdChannel;
  readonly #waiting = new Map<number, Waiting>();
  readonly #lost = Promise.withResolvers<void>();
  #nextId = 1;
  #isOpen = true;

  /** Undefined when nobody listens at `path`. `lost` is called when the proxy goes, not after `close`. */
  static open(path: string, lost: (connection: ProxyConnection) => void): ProxyConnection | undefined {
    try {
      return new ProxyConnection(path, lost);
    } catch (error) {
      if (hasCode(error, "ENOENT", "ECONNREFUSED")) return undefined;
      throw error;
    }
  }

  private constructor(path: string, lost: (connection: ProxyConnection) => void) {
    this.#channel = connectChannel(path, {
      message: (message) => this.#onMessage(message),
      closed: () => {
        const isLoss = this.#isOpen;
        this.#end();
        if (isLoss) lost(this);
      },
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }

  /** Rejects and closes when a proxy that is there says nothing. */
  async hello(timeoutMs: number): Promise<Hello> {
    const timeout = setTimeout(() => this.close(), timeoutMs);
    try {
      return (await this.#ask({ op: "hello" })) as Hello;
    } finally {
      clearTimeout(timeout);
    }
  }

  async setForwards(
    owner: string,
    forwards: readonly Forward[],
    held: readonly ParkedSockets[],
  ): Promise<void> {
    const asked: Promise<unknown>[] = [];
    const most = Math.max(forwards.length, held.length);
    let at = 0;
    do {
      const part = held.slice(at, at + fdsPerMessage);
      const wish = {
        owner,
        forwards: forwards.slice(at, at + fdsPerMessage).map(toWire),
        held: part.map(({ fd: _, ...rest }) => toWire(rest)),
      };
      at += fdsPerMessage;
      const fds = part.map(({ fd }) => fd);
      asked.push(this.#ask({ op: "forwards", ...wish, more: at < most }, fds));
    } while (at < most);
    await Promise.all(asked);
  }

  async setResolver(
    sandboxId: string,
    config: ResolverConfig | undefined,
    ports: ResolverPorts | undefined,
  ): Promise<ResolverPorts | undefined> {
    const wish = { sandbox: sandboxId, config: config ? toWire(config) : null, ports: ports ?? null };
    const asked = { op: "resolver", ...wish } as const;
    return ((await this.#ask(asked)) as ResolverPorts | null) ?? undefined;
  }

  async setRecord(endpointId: string, record: ZoneRecord | undefined): Promise<void> {
    await this.#ask({ op: "record", endpoint: endpointId, record: record ? toWire(record) : null });
  }

  async holdStreams(key: string, paths: readonly string[]): Promise<void> {
    await this.#ask({ op: "streams", key, paths });
  }

  async retainStreams(keys: readonly string[]): Promise<void> {
    await this.#ask({ op: "retainStreams", keys });
  }

  async sweep(): Promise<void> {
    await this.#ask({ op: "sweep" });
  }

  async counters(): Promise<ProxyCounters> {
    return (await this.#ask({ op: "counters" })) as ProxyCounters;
  }

  async heldSockets(): Promise<ParkedSockets[]> {
    const fds: number[] = [];
    const described = (await this.#ask({ op: "sockets" }, [], fds)) as WireParked[];
    return described.map((parked, at) => parkedFromWire(parked, fds[at] ?? -1));
  }

  /** Asks the proxy to end and waits until it has let go of the connection. */
  async stop(timeoutMs: number): Promise<void> {
    if (!this.#isOpen) return;
    const timeout = setTimeout(() => this.#lost.resolve(), timeoutMs);
    await this.#ask({ op: "stop" }).catch(() => undefined);
    await this.#lost.promise;
    clearTimeout(timeout);
  }

  #ask(request: Request, fds: readonly number[] = [], received: number[] = []): Promise<unknown> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve: answer.resolve, reject: answer.reject, fds: received, parts: [] });
    const bytes = Buffer.from(JSON.stringify({ ...request, id }));
    this.#channel.send(bytes, fds).catch((error: Error) => {
      this.#waiting.delete(id);
      // nothing more will come over this channel, although its end has not been read yet
      this.#end();
      answer.reject(unavailable(`ask tsdocker-proxy: ${error.message}`, error));
    });
    return answer.promise;
  }

  #onMessage({ bytes, fds }: ChannelMessage): void {
    const reply = JSON.parse(bytes.toString()) as Reply;
    const waiting = this.#waiting.get(reply.id);
    if (!waiting) {
      for (const fd of fds) closeFd(fd);
      return;
    }
    waiting.fds.push(...fds);
    if ("result" in reply && reply.more) {
      waiting.parts.push(...(reply.result as unknown[]));
      return;
    }
    this.#waiting.delete(reply.id);
    if ("error" in reply)
      waiting.reject(Object.assign(internal(`tsdocker-proxy: ${reply.error}`), { code: reply.code }));
    else waiting.resolve(Array.isArray(reply.result) ? [...waiting.parts, ...reply.result] : reply.result);
  }

  #end(): void {
    this.#isOpen = false;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(unavailable("tsdocker-proxy: it went away"));
    this.#lost.resolve();
  }
}
