// The sockets on which the API is served: unix, TCP on loopback, and TCP with TLS whose clients have certificates.

import { chown, lstat, readFile, unlink } from "node:fs/promises";
import type { RequestListener, Server } from "node:http";
import { connect } from "node:net";
import { isLoopback, parseAddress } from "../netip/index.ts";
import { errorMessage, internal, invalid } from "../util/errors.ts";

export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface ListenOptions {
  /** Group of a unix socket, which is 0660; stays the daemon's own when the machine has no such group. */
  readonly group?: string;
  /** Files in PEM; with `verify` only clients with a certificate of `ca` are let in. */
  readonly tls?: TlsFiles | undefined;
}

export interface TlsFiles {
  readonly verify: boolean;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Where it listens, with the port the kernel chose. */
export type BoundAddress = ListenAddress;

/** How long answers under way may take to end once the API closes. */
const closeGraceMs = 1000;

export class Listeners {
  readonly #handle: RequestListener;
  readonly #servers: Server[] = [];
  #isClosing = false;

  constructor(handle: RequestListener) {
    this.#handle = handle;
  }

  async open(address: ListenAddress, options: ListenOptions): Promise<BoundAddress> {
    const server = await this.#openServer(address, options);
    this.#servers.push(server);
    const bound = server.address();
    return address.kind === "tcp" && typeof bound === "object" && bound
      ? { ...address, port: bound.port }
      : address;
  }

  /** Takes no new connection, ends each as soon as it is idle, and cuts what has not ended after a second. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const servers = this.#servers.splice(0);
    const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const server of servers) server.closeIdleConnections();
    const cut = setTimeout(() => {
      for (const server of servers) server.closeAllConnections();
    }, closeGraceMs);
    await Promise.all(closed);
    clearTimeout(cut);
  }

  async #openServer(address: ListenAddress, options: ListenOptions): Promise<Server> {
    if (address.kind === "unix")
      return openUnix(this.#configure(createPlainServer()), address.path, options.group);
    const { host, port } = address;
    checkTcp(address, options.tls);
    const server = this.#configure(options.tls ? await createTlsServer(options.tls) : createPlainServer());
    await listen(server, `tcp://${host}:${port}`, () => server.listen(port, host));
    return server;
  }

  #configure(server: Server): Server {
    // an image may take hours to upload, and a client may come back to an idle connection at any time
    server.requestTimeout = 0;
    server.keepAliveTimeout = 0;
    server.on("request", this.#handle);
    // the client may keep a connection for its next request: Node ends what was idle when it closed, and no more
    server.on("request", (_, response) =>
      response.once("close", () => {
        if (this.#isClosing) server.closeIdleConnections();
      }),
    );
    return server;
  }
}

// an ESM import of node:http runs all its getters, and with them loads undici (for WebSocket): 30 ms and 10 MB for nothing
function createPlainServer(): Server {
  return process.getBuiltinModule("node:http").createServer();
}

function checkTcp({ host, port }: { host: string; port: number }, tls: TlsFiles | undefined): void {
  if (tls?.verify || isLoopbackName(host)) return;
  throw invalid(
    `listen on tcp://${host}:${port}: refused beyond loopback without --tlsverify, since whoever reaches this port is root on this machine`,
  );
}

function isLoopbackName(host: string): boolean {
  const address = parseAddress(host.replace(/^\[(.*)\]$/, "$1"));
  return host === "localhost" || (address !== undefined && isLoopback(address));
}

async function createTlsServer(files: TlsFiles): Promise<Server> {
  const [{ createServer: createSecure }, ca, cert, key] = await Promise.all([
    import("node:https"),
    files.verify ? readPem("tlscacert", files.ca) : undefined,
    readPem("tlscert", files.cert),
    readPem("tlskey", files.key),
  ]);
  const clients = ca ? { ca, requestCert: true, rejectUnauthorized: true } : {};
  return createSecure({ cert, key, minVersion: "TLSv1.2", ALPNProtocols: ["http/1.1"], ...clients });
}

async function readPem(option: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error) => {
    throw invalid(`read --${option} ${path}: ${errorMessage(error)}`, error);
  });
}

async function openUnix(server: Server, path: string, group: string | undefined): Promise<Server> {
  await removeStaleSocket(path);
  await listen(server, `unix://${path}`, () => {
    // the socket is made inside listen(): it must never be seen with a wider mode, not even for a moment
    const before = process.umask(0o117);
    try {
      server.listen(path);
    } finally {
      process.umask(before);
    }
  });
  const groupId = group === undefined ? undefined : await findGroup(group);
  if (groupId !== undefined) await chown(path, -1, groupId);
  return server;
}

async function listen(server: Server, name: string, start: () => unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(internal(`listen on ${name}: ${errorMessage(error)}`, error)));
    server.once("listening", resolve);
    start();
  });
}

/** A socket file that nobody listens on is left over from a daemon that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isSocket()) throw invalid(`listen on unix://${path}: a file that is no socket is there`);
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => resolve(true)).once("error", () => resolve(false));
    probe.once("connect", () => probe.destroy());
  });
  if (isAlive) throw internal(`listen on unix://${path}: another daemon is serving there`);
  await unlink(path).catch(() => undefined);
}

/** The id of a group by name or number; undefined when the machine has none of that name. */
async function findGroup(group: string): Promise<number | undefined> {
  if (/^[0-9]+$/.test(group)) return Number(group);
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  const line = text.split("\n").find((it) => it.startsWith(`${group}:`));
  const id = Number(line?.split(":")[2]);
  return Number.isInteger(id) ? id : undefined;
}
