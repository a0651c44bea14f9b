// Answers questions on TCP connections: pipelined, in any order (RFC 7766), and within limits, since the askers are not
// to be trusted.

import { createServer, type Server, type Socket } from "node:net";
import type { Reply } from "./responder.ts";
import { frame, Unframer } from "./tcp-frames.ts";

export interface TcpLimits {
  /** Of a sandbox; one more and the one that was silent for longest is closed. */
  readonly connections: number;
  /** A connection ends when no whole question came for as long. */
  readonly idleMs: number;
  /** Questions of one connection in flight: no more are read until one is answered. */
  readonly inFlight: number;
}

const usualLimits: TcpLimits = { connections: 128, idleMs: 10_000, inFlight: 64 };

/** Owns the socket and its connections. */
export class TcpResponder {
  readonly #server: Server;
  readonly #limits: TcpLimits;
  readonly #reply: (question: Buffer) => Reply;
  /** The one silent for longest comes first. */
  readonly #connections = new Set<Connection>();

  /** `fd` is bound. */
  constructor(fd: number, reply: (question: Buffer) => Reply, limits: TcpLimits = usualLimits) {
    this.#reply = reply;
    this.#limits = limits;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server.on("error", () => undefined); // of accept(2): the client tries again
    this.#server.listen({ fd });
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.close();
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= this.#limits.connections) [...this.#connections][0]?.close();
    const connection: Connection = new Connection(socket, this.#limits, {
      reply: this.#reply,
      asked: () => {
        this.#connections.delete(connection);
        this.#connections.add(connection);
      },
      ended: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }
}

interface ConnectionOwner {
  reply(question: Buffer): Reply;
  /** A whole question came. */
  asked(): void;
  ended(): void;
}

class Connection {
  readonly #socket: Socket;
  readonly #limits: TcpLimits;
  readonly #owner: ConnectionOwner;
  readonly #unframer = new Unframer();
  readonly #idle: NodeJS.Timeout;
  readonly #questions: Buffer[] = [];
  #inFlight = 0;
  #hasEnded = false;

  constructor(socket: Socket, limits: TcpLimits, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#limits = limits;
    this.#owner = owner;
    // of its own: a socket's timeout starts anew with every byte, which is what a slowloris sends
    this.#idle = setTimeout(() => this.close(), limits.idleMs);
    socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    socket.on("drain", () => this.#work());
    socket.on("end", () => this.#onEnd());
    socket.on("error", () => undefined); // "close" follows
    socket.on("close", () => {
      clearTimeout(this.#idle);
      owner.ended();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    const questions = this.#unframer.push(bytes);
    if (questions.length === 0) return;
    this.#idle.refresh();
    this.#owner.asked();
    this.#questions.push(...questions);
    this.#work();
  }

  /** No more is read than is answered, and than the asker reads of the answers. */
  #work(): void {
    while (this.#inFlight < this.#limits.inFlight && !this.#socket.writableNeedDrain) {
      const question = this.#questions.shift();
      if (!question) break;
      void this.#answer(question);
    }
    if (this.#questions.length === 0) {
      this.#socket.resume();
      return;
    }
    this.#socket.pause();
  }

  async #answer(question: Buffer): Promise<void> {
    this.#inFlight++;
    const bytes = await this.#owner.reply(question);
    this.#inFlight--;
    if (bytes && !this.#socket.destroyed) this.#socket.write(frame(bytes));
    if (this.#questions.length > 0) this.#work();
    else if (this.#hasEnded && this.#inFlight === 0) this.#socket.end();
  }

  /** The asker has said all; what it asked is answered still. */
  #onEnd(): void {
    this.#hasEnded = true;
    if (this.#inFlight === 0 && this.#questions.length === 0) this.#socket.end();
  }
}
