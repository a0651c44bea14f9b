// Plugins' sockets: listening on one as a plugin does, and calling one as a daemon does.

import { chmodSync, mkdirSync, rmSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type Server,
} from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { errorMessage } from "../../../util/errors.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Question {
  readonly method: string;
  readonly body: string;
  readonly headers?: IncomingHttpHeaders;
}

/** Answers each call that comes to a socket. */
export type Answerer = (
  question: Question,
) => Promise<{ readonly status: number; readonly headers?: IncomingHttpHeaders; readonly body: string }>;

/** Listens where daemons look for a plugin. A socket that nobody listens on is replaced. @throws when somebody does */
export async function listenAsPlugin(path: string, answer: Answerer): Promise<{ close(): Promise<void> }> {
  if (await isListenedOn(path)) throw new Error(`listen on ${path}: somebody listens there`);
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const server = createServer((asked, response) => {
    readAll(asked)
      .then((body) => answer({ method: (asked.url ?? "/").slice(1), body, headers: asked.headers }))
      .then(
        ({ status, headers = {}, body }) => response.writeHead(status, passedOn(headers)).end(body),
        // as a plugin that breaks off
        () => response.destroy(),
      );
  });
  await listening(server, path);
  chmodSync(path, 0o600);
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await closed;
    },
  };
}

/** One call to a plugin. @throws when it cannot be reached, or breaks off */
export function askPlugin(socket: string, { method, body, headers = {} }: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call = request(
    {
      socketPath: socket,
      agent: false,
      method: "POST",
      path: `/${method}`,
      headers: {
        Accept: "application/vnd.docker.plugins.v1.2+json",
        ...passedOn(headers),
        Host: "plugin.moby.localhost",
        "Content-Length": Buffer.byteLength(body),
      },
    },
    (response) => {
      readAll(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        reject,
      );
    },
  );
  call.on("error", (error) =>
    reject(new Error(`${socket}: ${method}: ${errorMessage(error)}`, { cause: error })),
  );
  call.end(body);
  return promise;
}

/** What is about the message and not about the connection. */
function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const { accept, "content-type": contentType } = headers;
  return { ...(accept && { Accept: accept }), ...(contentType && { "Content-Type": contentType }) };
}

async function readAll(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function listening(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, resolve);
  return promise;
}

/** Whether somebody accepts connections there. */
export function isListenedOn(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => {
    socket.destroy();
    resolve(true);
  });
  socket.once("error", () => resolve(false));
  return promise;
}

/** Resolves when the user, or whoever started us, wants us to end. */
export function askedToEnd(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  return promise;
}
