// A driver as a plugin: the same object that a daemon would load, on a socket where dockerd and tsdockerd look for plugins.

import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type ListenOptions } from "node:net";
import { dirname } from "node:path";
import type { IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import { conflict, errorKind, errorMessage, invalid } from "../../util/errors.ts";
import { type Log, silentLog } from "../../util/log.ts";
import { Fields } from "../protocol/fields.ts";
import { ipamMethods, type Method, type Methods, networkMethods } from "./methods.ts";

const contentType = "application/vnd.docker.plugins.v1.2+json";
/** Far more than any request of the protocol needs. */
const mostBytes = 16 << 20;

/** One or both; a plugin that is both is one name for `-d` and `--ipam-driver`. */
export interface ServedDriver {
  readonly network?: NetworkDriver;
  readonly ipam?: IpamDriver;
}

export interface ServeOptions {
  /** A path: `/run/docker/plugins/NAME.sock` is where daemons look for plugin NAME. Or a TCP port. */
  readonly on: string | { readonly host: string; readonly port: number };
  readonly log?: Log;
}

/** A plugin that listens. */
export interface ServedPlugin extends AsyncDisposable {
  /** Of TCP: the one that was chosen if none was asked for. */
  readonly port: number | undefined;
  /** Ends calls under way and takes the socket away. */
  close(): Promise<void>;
}

/**
 * Serves a driver over Docker's plugin protocol. A socket that a plugin which was killed has left is replaced; one that
 * somebody listens on is not. @throws conflict when it is in use
 */
export async function servePlugin(
  driver: ServedDriver,
  { on, log = silentLog }: ServeOptions,
): Promise<ServedPlugin> {
  const methods = methodsOf(driver);
  const server = createServer((request, response) => {
    answer(methods, request, response).catch((error) => {
      log.warn({ method: request.url, reason: errorMessage(error) }, "a call could not be answered");
      response.destroy();
    });
  });
  if (typeof on === "string") await makeRoom(on);
  const where: ListenOptions = typeof on === "string" ? { path: on } : on;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, resolve);
  });
  // whoever may connect may make the driver do what it can: with a daemon's plugins that is root alone
  if (typeof on === "string") await chmod(on, 0o600);
  const address = server.address();
  const close = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    await closed;
  };
  return {
    port: typeof address === "object" ? address?.port : undefined,
    close,
    [Symbol.asyncDispose]: close,
  };
}

function methodsOf({ network, ipam }: ServedDriver): Methods {
  if (!network && !ipam) throw invalid("serve a plugin: it has neither a network driver nor an IPAM driver");
  const kinds = [...(network ? ["NetworkDriver"] : []), ...(ipam ? ["IpamDriver"] : [])];
  return {
    "Plugin.Activate": async () => ({ Implements: kinds }),
    ...(network && named("NetworkDriver", networkMethods(network))),
    ...(ipam && named("IpamDriver", ipamMethods(ipam))),
  };
}

function named(kind: string, methods: Methods): Record<string, Method> {
  return Object.fromEntries(Object.entries(methods).map(([name, method]) => [`${kind}.${name}`, method]));
}

async function answer(methods: Methods, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = (request.url ?? "").slice(1);
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  const text = await readAll(request);
  if (request.method !== "POST" || !method) return end(response, 404, { Err: `${name}: no such method` });
  try {
    end(response, 200, await method(fieldsOf(name, text)));
  } catch (error) {
    // dockerd takes the text from either key, of network and IPAM drivers, and any status but 200 as a refusal
    const status = errorKind(error) === "invalid" ? 400 : 500;
    end(response, status, { Err: errorMessage(error), Error: errorMessage(error) });
  }
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "Content-Type": contentType }).end(`${JSON.stringify(body)}\n`);
}

function fieldsOf(name: string, text: string): Fields {
  if (text.trim() === "") return new Fields({}, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${name}: the request is no JSON: ${errorMessage(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`${name}: the request is no JSON object`);
  return new Fields({ ...value }, name);
}

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBytes) throw invalid(`the request is longer than ${mostBytes >> 20} MiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function makeRoom(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const isServed = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
  if (isServed) throw conflict(`serve a plugin on ${path}: somebody listens there`);
  await rm(path, { force: true });
}
