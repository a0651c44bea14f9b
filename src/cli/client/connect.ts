// Opens the byte stream to the daemon. node:tls is loaded only where it is asked for.

import { connect as connectPlain, type Socket } from "node:net";
import { errorMessage } from "../../util/errors.ts";
import { ConnectError } from "../errors.ts";
import type { Endpoint } from "./host.ts";

/** Certificates as PEM; `verify` false accepts any server. */
export interface TlsMaterial {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly verify: boolean;
}

export interface Target {
  readonly endpoint: Endpoint;
  readonly tls: TlsMaterial | undefined;
}

/** Opens a connection. Throws ConnectError in Docker's words; `doing` names the request for them (`Get "http://…"`). */
export async function openConnection(target: Target, doing: string): Promise<Socket> {
  const { endpoint, tls } = target;
  const socket = tls && endpoint.kind === "tcp" ? await openTls(endpoint, tls) : openPlain(endpoint);
  const ready = tls && endpoint.kind === "tcp" ? "secureConnect" : "connect";
  return new Promise((resolve, reject) => {
    socket.once(ready, () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error: Error) => reject(connectError(endpoint, doing, error)));
  });
}

function openPlain(endpoint: Endpoint): Socket {
  if (endpoint.kind === "unix") return connectPlain({ path: endpoint.path, allowHalfOpen: true });
  return connectPlain({ host: endpoint.host, port: endpoint.port, noDelay: true, allowHalfOpen: true });
}

async function openTls(endpoint: Endpoint & { kind: "tcp" }, tls: TlsMaterial): Promise<Socket> {
  const { connect } = await import("node:tls");
  const isName = !/^[\d.]+$|:/.test(endpoint.host);
  return connect({
    host: endpoint.host,
    port: endpoint.port,
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: tls.verify,
    ...(isName ? { servername: endpoint.host } : {}),
    ...(tls.ca ? { ca: tls.ca } : {}),
    ...(tls.cert ? { cert: tls.cert } : {}),
    ...(tls.key ? { key: tls.key } : {}),
  });
}

function connectError(endpoint: Endpoint, doing: string, error: Error): ConnectError {
  const code = "code" in error ? error.code : undefined;
  if (code === "EACCES" && endpoint.kind === "unix") {
    const dial = `dial unix ${endpoint.path}: connect: permission denied`;
    const text = `permission denied while trying to connect to the Docker daemon socket at ${endpoint.url}`;
    return new ConnectError(`${text}: ${doing}: ${dial}`, error);
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    const name = endpoint.kind === "tcp" ? endpoint.host : endpoint.path;
    return new ConnectError(`error during connect: ${doing}: dial tcp: lookup ${name}: no such host`, error);
  }
  const unreachable = new Set([
    "ENOENT",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENETUNREACH",
  ]);
  if (typeof code === "string" && unreachable.has(code)) {
    const text = `Cannot connect to the Docker daemon at ${endpoint.url}. Is the docker daemon running?`;
    return new ConnectError(text, error);
  }
  return new ConnectError(`error during connect: ${doing}: ${errorMessage(error)}`, error);
}
