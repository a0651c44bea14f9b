// Servers, clients and proxies inside a lab's hosts, driven from the test's own process: sockets are opened in the
// host's netns and handed to Node.

import { createServer, type Server, Socket } from "node:net";
import { join } from "node:path";
import { inject } from "vitest";
import { connectSocket } from "../../../src/kernel/datagrams.ts";
import {
  bindSocket,
  closeFd,
  type ParkedSockets,
  parkSockets,
  socketAddress,
} from "../../../src/kernel/index.ts";
import { type Address, parseAddress } from "../../../src/netip/index.ts";
import { type Forward, type ProxyHandle, type ProxyOptions, startProxy } from "../../../src/proxy/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import type { Lab, LabHost } from "../lab.ts";

export function ip(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new TypeError(`not an address: ${text}`);
  return address;
}

let proxies = 0;

/** Where a proxy of this test may listen. */
export function controlPath(lab: Lab): string {
  return join(lab.folder, `p${++proxies}.sock`);
}

export function proxyOptions(
  host: LabHost,
  controlPath: string,
  more: Partial<ProxyOptions> = {},
): ProxyOptions {
  const command = [process.execPath, join(inject("programs"), "tsdocker-proxy.mjs")];
  return { command, controlPath, netns: host.netns, log: silentLog, ...more };
}

/** A proxy whose host is a lab host. */
export async function proxyOn(
  lab: Lab,
  host: LabHost,
  more: Partial<ProxyOptions> = {},
): Promise<ProxyHandle> {
  return await startProxy(proxyOptions(host, controlPath(lab), more));
}

let ports = 10_000;

/** A port of a host, reserved until the scope ends: what a port lease holds. */
export async function reserve(host: LabHost, protocol: "tcp" | "udp", address: string, port = ++ports) {
  const spec = { netns: host.netns, protocol, addresses: [ip(address)], ports: { first: port, last: port } };
  const outcome = await parkSockets(spec);
  if ("error" in outcome) throw outcome.error;
  const [parked] = outcome;
  if (!parked) throw new Error("nothing was parked");
  return { parked, port, [Symbol.dispose]: () => closeFd(parked.fd) };
}

/** A forward with what holds its sockets. */
export interface HeldForward extends Forward {
  readonly parked: ParkedSockets;
}

/** Sets an owner's forwards; of a reserved port all that is reserved is kept. */
export function forward(
  proxy: Pick<ProxyHandle, "setForwards">,
  owner: string,
  wished: readonly HeldForward[],
): Promise<void> {
  const forwards = wished.map(({ parked: _, ...rest }) => rest);
  return proxy.setForwards(owner, forwards, [...new Set(wished.map(({ parked }) => parked))]);
}

/** A reserved port led to a target. */
export function lead(
  { parked }: { readonly parked: ParkedSockets },
  target: string,
  targetPort: number,
): HeldForward {
  const { protocol, addresses, ports } = parked;
  const [listen = ip("0.0.0.0")] = addresses;
  return { protocol, listen, listenPorts: ports, target: ip(target), targetPort, parked };
}

/** A TCP server in a host; `handle` gets half-open sockets. */
export async function serve(
  host: LabHost,
  address: string,
  handle: (socket: Socket) => void,
  port = 0,
): Promise<{ server: Server; port: number } & AsyncDisposable> {
  const fd = await bindSocket({ netns: host.netns, protocol: "tcp", address: ip(address), port });
  const bound = socketAddress(fd).port;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    handle(socket);
  });
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  return { server, port: bound, [Symbol.asyncDispose]: close };
}

/** A TCP connection from within a host; what is written before it is established waits. */
export async function connect(host: LabHost, address: string, port: number): Promise<Socket> {
  const target = ip(address);
  const any: Address = { family: target.family, value: 0n };
  const fd = await bindSocket({ netns: host.netns, protocol: "tcp", address: any, port: 0 });
  connectSocket(fd, target, port);
  return new Socket({ fd, allowHalfOpen: true });
}

/** Everything that comes until the peer's end; rejects when the connection breaks. */
export function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    socket.on("data", (part: Buffer) => parts.push(part));
    socket.once("end", () => resolve(Buffer.concat(parts)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed without an end")));
  });
}
