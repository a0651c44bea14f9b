// Asks one name server over TCP: one connection for all questions (RFC 7766 §6.2.1), opened when there is one, closed
// when there was none for a while.

import { randomInt } from "node:crypto";
import { Socket } from "node:net";
import { answersQuery, type Query } from "../dns/index.ts";
import { connectSocket } from "../kernel/datagrams.ts";
import { bindSocket, closeFd } from "../kernel/socket.ts";
import { linkOf } from "./server-link.ts";
import { frame, Unframer } from "./tcp-frames.ts";
import type { Asked, Asker, ServerAddress } from "./upstream.ts";

const idleMs = 10_000;
/** Questions in flight on one connection. */
const most = 4096;

interface Pending {
  readonly query: Query;
  readonly settle: (asked: Asked) => void;
}

interface Question extends Pending {
  forget: () => void;
  isForgotten: boolean;
}

/** Owns its connection. */
export class TcpAsker implements Asker {
  readonly #server: ServerAddress;
  #connection: Promise<AskingConnection> | undefined;
  #isClosed = false;

  constructor(server: ServerAddress) {
    this.#server = server;
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    const question: Question = { query, settle, forget: () => undefined, isForgotten: false };
    void this.#askOn(question, true);
    return () => {
      question.isForgotten = true;
      question.forget();
    };
  }

  close(): void {
    this.#isClosed = true;
    void this.#connection?.then((open) => open.close()).catch(() => undefined);
    this.#connection = undefined;
  }

  /** On a connection that was used before the server may just have closed it: then there is one more try. */
  async #askOn(question: Question, mayRetry: boolean): Promise<void> {
    try {
      this.#connection ??= this.#open();
      const connection = await this.#connection;
      if (question.isForgotten) return;
      question.forget = connection.ask(question.query, (asked) => {
        const isStale = asked.kind === "failed" && connection.answered > 0;
        if (isStale && mayRetry && !this.#isClosed) void this.#askOn(question, false);
        else question.settle(asked);
      });
    } catch (error) {
      this.#connection = undefined;
      if (!question.isForgotten) question.settle({ kind: "failed", reason: String(error) });
    }
  }

  async #open(): Promise<AskingConnection> {
    const { netns, address, port } = this.#server;
    const link = await linkOf(this.#server);
    const any = { family: address.family, value: 0n };
    const fd = await bindSocket({
      protocol: "tcp",
      address: any,
      port: 0,
      ...(netns === undefined ? {} : { netns }),
    });
    try {
      connectSocket(fd, address, port, link);
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    return new AskingConnection(new Socket({ fd }), () => {
      this.#connection = undefined;
    });
  }
}

class AskingConnection {
  readonly #socket: Socket;
  readonly #ended: () => void;
  readonly #pending = new Map<number, Pending>();
  readonly #unframer = new Unframer();
  answered = 0;

  /** The socket may still be connecting: what is written waits. */
  constructor(socket: Socket, ended: () => void) {
    this.#socket = socket;
    this.#ended = ended;
    socket.setTimeout(idleMs, () => socket.destroy(new Error("idle")));
    socket.on("data", (bytes: Buffer) => {
      for (const message of this.#unframer.push(bytes)) this.#answer(message);
    });
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => this.#fail("the connection ended"));
  }

  ask(query: Query, settle: (asked: Asked) => void): () => void {
    if (this.#socket.destroyed || this.#pending.size >= most) {
      const reason = this.#socket.destroyed ? "the connection ended" : "too many questions";
      queueMicrotask(() => settle({ kind: "failed", reason }));
      return () => undefined;
    }
    let id = randomInt(65536);
    while (this.#pending.has(id)) id = (id + 1) & 0xffff;
    this.#pending.set(id, { query, settle });
    const bytes = Buffer.from(query.bytes);
    bytes.writeUInt16BE(id, 0);
    this.#socket.write(frame(bytes));
    return () => this.#forget(id);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** A connection that never gave an answer is not worth keeping: the server may be back by the next question. */
  #forget(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0 && this.answered === 0) this.close();
  }

  #answer(bytes: Buffer): void {
    const id = bytes.length >= 12 ? bytes.readUInt16BE(0) : -1;
    const pending = this.#pending.get(id);
    if (!pending || !answersQuery(bytes, id, pending.query)) return;
    this.answered++;
    this.#pending.delete(id);
    pending.settle({ kind: "answered", response: bytes });
  }

  #fail(reason: string): void {
    this.#ended();
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { settle } of waiting) settle({ kind: "failed", reason });
  }
}
