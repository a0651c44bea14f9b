// The join port: an HTTPS listener of every member. A host without a certificate may ask one thing there, to join, and
// needs a token for it; the rest is for hosts that show a certificate of the cluster.

import { constants } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import {
  EngineError,
  type ErrorKind,
  errorKind,
  errorMessage,
  forbidden,
  invalid,
  notFound,
  unavailable,
} from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { explainListen } from "../member/etcd.ts";
import { type Credentials, type HostCertificate, readHostCertificate } from "../trust/index.ts";
import type { Admitting } from "./admitting.ts";
import { Tries } from "./tries.ts";
import { longestBody, paths, readDecline, readJoinRequest, readSignedRequest, writeError } from "./wire.ts";

export interface JoinServerOptions {
  readonly address: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly admitting: Admitting;
  readonly log: Log;
  readonly tries?: Tries;
}

// A request is two kilobytes and its answer as much: who takes longer keeps others waiting.
const requestMs = 10_000;
const mostConnections = 128;
const tellingKinds: readonly ErrorKind[] = ["unauthorized", "forbidden", "conflict"];

/** Owns the listener. */
export class JoinServer {
  readonly #server: Server;
  readonly #admitting: Admitting;
  readonly #tries: Tries;
  readonly #log: Log;

  private constructor({ credentials, admitting, log, tries = new Tries() }: JoinServerOptions) {
    this.#admitting = admitting;
    this.#tries = tries;
    this.#log = log.child({ part: "join" });
    this.#server = createServer(
      {
        ...secureContext(credentials),
        minVersion: "TLSv1.3",
        requestCert: true,
        // who has no certificate may still join; what needs one asks for it
        rejectUnauthorized: false,
        // a resumed session would not show its certificate again
        secureOptions: constants.SSL_OP_NO_TICKET,
        handshakeTimeout: 5_000,
        headersTimeout: 5_000,
        requestTimeout: requestMs,
        maxHeaderSize: 4096,
        keepAlive: false,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = mostConnections;
    this.#server.setTimeout(requestMs, (socket) => socket.destroy());
  }

  /** @throws unavailable when the port is taken or the address is not this host's */
  static async listen(options: JoinServerOptions): Promise<JoinServer> {
    const server = new JoinServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (error) => reject(explainListen(options.address, options.port, error)));
      server.#server.listen({ host: options.address, port: options.port }, resolve);
    });
    server.#server.on("error", (error) => server.#log.error({ reason: errorMessage(error) }, "join port"));
    return server;
  }

  /** Shows a new certificate from now on. */
  renew(credentials: Credentials): void {
    this.#server.setSecureContext(secureContext(credentials));
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // gone when the connection is
    const peer = request.socket.remoteAddress ?? "";
    try {
      answer(response, 200, await this.#route(request, peer));
    } catch (error) {
      const { status, message } = writeError(error);
      const fields = {
        path: request.url?.slice(0, 100),
        peer,
        reason: errorMessage(error),
      };
      if (status === 500) this.#log.error(fields, "a request at the join port failed");
      // anybody can send nonsense, as often as they like: only what an operator should hear of is told
      else if (tellingKinds.includes(errorKind(error)))
        this.#log.info(fields, "a request at the join port was refused");
      else this.#log.debug(fields, "a request at the join port was refused");
      answer(response, status, { message });
    }
  }

  async #route(request: IncomingMessage, peer: string): Promise<object> {
    const isKnown = Object.values<string | undefined>(paths).includes(request.url);
    if (!isKnown || request.method !== "POST") throw notFound("there is no such request at the join port");
    if (request.url === paths.join) return await this.#join(request, peer);
    const client = checkedClient(request.socket as TLSSocket);
    this.#admitting.checkClient(client);
    if (request.url === paths.look) return this.#admitting.look();
    const body = await readBody(request);
    if (request.url === paths.decline) return await this.#admitting.decline(client.nodeId, readDecline(body));
    const signed = readSignedRequest(body);
    return request.url === paths.renew
      ? await this.#admitting.renew(client.nodeId, signed)
      : await this.#admitting.promote(client.nodeId, signed);
  }

  async #join(request: IncomingMessage, peer: string): Promise<object> {
    const waitMs = this.#tries.wait(peer);
    if (waitMs > 0)
      throw unavailable(
        `too many wrong join tokens from ${peer}: try again in ${Math.ceil(waitMs / 1000)} s`,
      );
    try {
      const answer = await this.#admitting.join(readJoinRequest(await readBody(request)));
      this.#tries.forget(peer);
      return answer;
    } catch (error) {
      if (errorKind(error) === "unauthorized") this.#tries.count(peer);
      throw error;
    }
  }
}

// The authority goes along: a joining host knows only its digest.
function secureContext({ authority, certificate, key }: Credentials) {
  return { ca: authority, cert: `${certificate.trimEnd()}\n${authority}`, key };
}

function checkedClient(socket: TLSSocket): HostCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw new EngineError("unauthorized", "this request needs a certificate of the cluster");
  if (!socket.authorized)
    throw forbidden(`the certificate shown is not good here: ${String(socket.authorizationError)}`);
  return readHostCertificate(certificate.toString());
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request);
  try {
    return JSON.parse(text);
  } catch {
    // the parser's message would repeat some of what came in
    throw invalid("read the join request: it is not JSON");
  }
}

// By its events: leaving a loop over it would close the connection before the answer.
function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length <= longestBody) chunks.push(chunk);
      else reject(invalid(`read the join request: it is larger than ${longestBody} bytes`));
    });
    request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    request.on("error", reject);
    request.on("close", () => reject(invalid("read the join request: it ended early")));
  });
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed || response.headersSent) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    connection: "close",
  });
  response.end(text);
}
