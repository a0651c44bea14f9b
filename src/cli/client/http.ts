// HTTP/1.1 over one socket, as much of it as the Engine API uses. Not node:http: loading that takes 23 ms of a
// command's 50, and a hijacked connection is simpler on a socket of our own.

import type { Socket } from "node:net";
import type { SocketReader } from "./reader.ts";

export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

export type RequestBody = Uint8Array | AsyncIterable<Uint8Array> | undefined;

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Sends a request; a body of unknown length goes out in chunks. */
export async function sendRequest(socket: Socket, head: RequestHead, body: RequestBody): Promise<void> {
  const lines = [`${head.method} ${head.path} HTTP/1.1`, `Host: ${head.host}`];
  for (const [name, value] of Object.entries(head.headers)) lines.push(`${name}: ${value}`);
  if (body instanceof Uint8Array) lines.push(`Content-Length: ${body.length}`);
  else if (body) lines.push("Transfer-Encoding: chunked");
  else if (head.method === "POST" || head.method === "PUT") lines.push("Content-Length: 0");
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (body instanceof Uint8Array) socket.write(body);
  else if (body) await sendChunks(socket, body);
}

async function sendChunks(socket: Socket, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    if (socket.destroyed || socket.writableEnded) return; // the server answered early and hung up
    if (chunk.length === 0) continue;
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    if (!socket.write("\r\n")) await drained(socket);
  }
  socket.write("0\r\n\r\n");
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.once("drain", done);
    socket.once("close", done);
  });
}

/** Reads up to the empty line. 100 Continue and the like are skipped. Throws when the stream ends first. */
export async function readResponseHead(reader: SocketReader): Promise<ResponseHead> {
  for (;;) {
    const status = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(await reader.line());
    if (!status) throw new Error("malformed HTTP response");
    const headers = await readHeaders(reader);
    const code = Number(status[1]);
    if (code >= 200 || code === 101) return { status: code, reason: status[2] ?? "", headers };
  }
}

async function readHeaders(reader: SocketReader): Promise<Map<string, string>> {
  const headers = new Map<string, string>();
  for (let line = await reader.line(); line !== ""; line = await reader.line()) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

/** The body's pieces as they come: chunked, of known length, or up to the end of the stream. */
export async function* readBody(
  reader: SocketReader,
  head: ResponseHead,
  method: string,
): AsyncGenerator<Buffer, void> {
  if (method === "HEAD" || head.status === 204 || head.status === 304) return;
  if (head.headers.get("transfer-encoding")?.toLowerCase() === "chunked") return yield* readChunked(reader);
  const length = head.headers.get("content-length");
  yield* length === undefined ? reader.untilEnd() : reader.take(Number(length));
}

async function* readChunked(reader: SocketReader): AsyncGenerator<Buffer, void> {
  for (;;) {
    const size = Number.parseInt(await reader.line(), 16);
    if (Number.isNaN(size)) throw new Error("malformed chunked encoding");
    if (size === 0) {
      await readHeaders(reader);
      return;
    }
    yield* reader.take(size);
    await reader.line();
  }
}

/** True when the next response on this connection can follow this one. */
export function keepsAlive(head: ResponseHead): boolean {
  if (head.headers.get("connection")?.toLowerCase() === "close") return false;
  return head.headers.has("content-length") || head.headers.has("transfer-encoding") || head.status === 204;
}
