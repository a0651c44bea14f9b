// Messages with file descriptors between processes, over a unix socket of sequenced packets: a message arrives whole
// and with its descriptors, or not at all.

import { type Addon, addon, readable, writable } from "../../native/index.ts";
import { kernelError, sayingNow } from "./errors.ts";

/** A message; the receiver owns the descriptors. */
export interface ChannelMessage {
  readonly bytes: Buffer;
  readonly fds: readonly number[];
}

/** What a channel tells its owner. */
export interface ChannelListener {
  message(message: ChannelMessage): void;
  /** The other end is gone, or this one was closed; nothing comes after it. */
  closed(error?: Error): void;
}

/** One end of a connection. */
export interface FdChannel extends Disposable {
  /**
   * Sends 1 byte to some 200 kB (EMSGSIZE) with at most 253 descriptors, which stay open here too. Resolves when the
   * kernel has it, in the order of the calls; waits while the other end does not read. Rejects when the channel is closed.
   */
  send(bytes: Uint8Array, fds?: readonly number[]): Promise<void>;
  /** Idempotent. */
  close(): void;
}

/** Takes an fd over (a stdio socket from a parent, say) as a channel. */
export function openChannel(fd: number, listener: ChannelListener): FdChannel {
  return new Channel(addon(), fd, listener);
}

/** Connects to `listenChannel`. Throws KernelError: ENOENT and ECONNREFUSED when nobody listens. */
export function connectChannel(path: string, listener: ChannelListener): FdChannel {
  return openChannel(
    sayingNow(`connect ${path}`, () => addon().unixConnect(path)),
    listener,
  );
}

/** Two connected descriptors: one for `openChannel`, one for a child's stdio. The caller owns both. */
export function channelPair(): [number, number] {
  return sayingNow("socketpair", () => addon().unixPair());
}

/**
 * Listens at a path that is not there yet (EADDRINUSE); `accept` gets the fd of each connection, for `openChannel`.
 * The path is the caller's to remove, as are its permissions to set.
 */
export function listenChannel(path: string, accept: (fd: number) => void): Disposable & { close(): void } {
  const native = addon();
  const fd = sayingNow(`listen ${path}`, () => native.unixListen(path));
  let open = true;
  const poll = native.pollStart(fd, readable, () => {
    for (
      let next = native.unixAccept(fd);
      next !== undefined;
      next = open ? native.unixAccept(fd) : undefined
    )
      accept(next);
  });
  const close = () => {
    if (!open) return;
    open = false;
    native.pollStop(poll);
    native.fdClose(fd);
  };
  return { close, [Symbol.dispose]: close };
}

interface Pending {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
  readonly done: PromiseWithResolvers<void>;
}

class Channel implements FdChannel {
  readonly #native: Addon;
  readonly #fd: number;
  readonly #listener: ChannelListener;
  readonly #poll: number;
  #queue: Pending[] = [];
  #open = true;

  constructor(native: Addon, fd: number, listener: ChannelListener) {
    this.#native = native;
    this.#fd = fd;
    this.#listener = listener;
    this.#poll = native.pollStart(fd, readable, (events) => this.#ready(events));
  }

  async send(bytes: Uint8Array, fds: readonly number[] = []): Promise<void> {
    if (!this.#open) throw new Error("send on channel: it is closed");
    if (bytes.length === 0) throw new RangeError("send on channel: an empty message reads as the end");
    if (this.#queue.length === 0 && this.#trySend(bytes, fds)) return;
    const done = Promise.withResolvers<void>();
    this.#queue.push({ bytes, fds, done });
    this.#native.pollEvents(this.#poll, readable | writable);
    await done.promise;
  }

  close(): void {
    this.#end();
  }

  [Symbol.dispose](): void {
    this.#end();
  }

  #trySend(bytes: Uint8Array, fds: readonly number[]): boolean {
    return sayingNow("send on channel", () => this.#native.fdsSend(this.#fd, bytes, fds));
  }

  #ready(events: number): void {
    if (events & writable) this.#flush();
    if (events & readable) this.#receiveAll();
  }

  #flush(): void {
    for (let next = this.#queue[0]; next && this.#open; next = this.#queue[0]) {
      try {
        if (!this.#trySend(next.bytes, next.fds)) return;
        next.done.resolve();
      } catch (error) {
        next.done.reject(error);
      }
      this.#queue.shift();
    }
    if (this.#open) this.#native.pollEvents(this.#poll, readable);
  }

  #receiveAll(): void {
    for (let message = this.#receive(); message; message = this.#receive()) this.#listener.message(message);
  }

  /** Undefined when nothing waits or the channel is at its end. */
  #receive(): ChannelMessage | undefined {
    if (!this.#open) return undefined;
    try {
      const message = this.#native.fdsReceive(this.#fd);
      if (!message || (message.bytes.length > 0 && !message.truncated)) return message;
      if (message.truncated) this.#drop(message.fds);
      else this.#end();
    } catch (error) {
      this.#end(kernelError("receive on channel", error));
    }
    return undefined;
  }

  /** Descriptors were lost (the limit of open files): the rest of the message means nothing, nor does what follows. */
  #drop(fds: readonly number[]): void {
    for (const fd of fds) this.#native.fdClose(fd);
    this.#end(new Error("receive on channel: descriptors were lost: too many open files"));
  }

  #end(error?: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#native.pollStop(this.#poll);
    this.#native.fdClose(this.#fd);
    const waiting = this.#queue;
    this.#queue = [];
    for (const { done } of waiting) done.reject(error ?? new Error("send on channel: it is closed"));
    this.#listener.closed(error);
  }
}
