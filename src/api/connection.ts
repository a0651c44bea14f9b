// A connection taken from the HTTP server: attach and exec speak raw bytes both ways on it after the head.
//
// Node's HTTP server must let go of the socket completely: its own listeners would feed what follows to the HTTP parser
// (400 to the client) and would end the socket as soon as the client half-closes, which for Docker is only stdin's end.
// Taking it is done before anything is awaited, since the client may send at once.

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errorBody, statusOf } from "./errors.ts";

/** How long a client may take to close its side after our end of file. */
const lingerMs = 5000;

const ignore = () => undefined;

export class Connection {
  readonly #socket: Socket;
  readonly #response: ServerResponse;
  readonly #wantsUpgrade: boolean;
  readonly #gone = new AbortController();

  constructor(request: IncomingMessage, response: ServerResponse, closing: AbortSignal) {
    this.#socket = request.socket;
    this.#response = response;
    this.#wantsUpgrade = request.headers.upgrade !== undefined;
    takeSocket(this.#socket);
    this.#socket.once("close", () => this.#gone.abort());
    closing.addEventListener("abort", () => this.#socket.destroy(), {
      once: true,
      signal: this.#gone.signal,
    });
    if (closing.aborted) this.#socket.destroy();
  }

  /** Fires when the connection is gone, which half-closing is not. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** What the client sends; ends when it half-closes. Paused until somebody reads. */
  get input(): Readable {
    return this.#socket;
  }

  /** Sends the head: 101 to a client that asked for the upgrade, 200 to an older one. */
  open(contentType: string): void {
    const upgraded = { "Content-Type": contentType, Connection: "Upgrade", Upgrade: "tcp" };
    if (this.#wantsUpgrade) this.#writeHead("101 UPGRADED", upgraded);
    else this.#writeHead("200 OK", { "Content-Type": "application/vnd.docker.raw-stream" });
  }

  /** Answers with an error instead of opening. */
  refuse(error: unknown): void {
    const body = `${JSON.stringify(errorBody(error))}\n`;
    const status = statusOf(error);
    this.#writeHead(`${status} ${statusWord(status)}`, {
      "Content-Type": "application/json",
      "Content-Length": `${Buffer.byteLength(body)}`,
      Connection: "close",
    });
    this.#socket.write(body);
    this.end();
  }

  /** Sends bytes; settles when there is room for more, or the connection is gone. */
  async write(data: Uint8Array): Promise<void> {
    if (this.#socket.destroyed || this.#socket.write(data)) return;
    await once(this.#socket, "drain", { signal: this.#gone.signal }).catch(ignore);
  }

  /**
   * Our end of file, and soon the end of the connection. What the client still sends is read and dropped: closing with
   * unread bytes would reset a TCP connection and could take our last output with it.
   */
  end(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.end();
    socket.resume();
    if (socket.readableEnded) socket.destroySoon();
    else socket.once("end", () => socket.destroySoon());
    const linger = setTimeout(() => socket.destroy(), lingerMs).unref();
    socket.once("close", () => clearTimeout(linger));
  }

  #writeHead(status: string, headers: Readonly<Record<string, string>>): void {
    const all = { ...this.#response.getHeaders(), ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
  }
}

function takeSocket(socket: Socket): void {
  for (const event of ["data", "end", "drain", "timeout", "error"]) socket.removeAllListeners(event);
  socket.on("error", () => socket.destroy());
  socket.setTimeout(0);
  // the parser reads natively from the socket until somebody listens for data
  socket.on("data", ignore);
  socket.pause();
  socket.removeListener("data", ignore);
}

function statusWord(status: number): string {
  return status === 404 ? "Not Found" : status < 500 ? "Refused" : "Error";
}
