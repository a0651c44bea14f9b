// Hosts without machines: network namespaces, wired with veth pairs, and sockets opened inside them. A socket stays where
// it was opened, so every probe runs in this process.

import { spawn } from "node:child_process";
import dgram from "node:dgram";
import net from "node:net";
import { expect } from "vitest";
import { bindSocket, createNetns, deleteNetns, deleteNetnsFolder } from "../../../src/kernel/index.ts";
import { type Address, type Protocol, parseAddress } from "../../../src/netip/index.ts";

let labs = 0;

/** A folder of namespaces; disposing it removes them all. */
export class Lab implements AsyncDisposable {
  readonly #folder = `/run/tsdocker-town-${process.pid}-${++labs}`;
  readonly #names: string[] = [];
  readonly #closers: (() => void)[] = [];

  /** A namespace with its loopback up. */
  async host(name: string): Promise<Host> {
    const path = `${this.#folder}/${name}`;
    await createNetns(path);
    this.#names.push(name);
    const host = new Host(name, path, this.#closers);
    // without duplicate address detection IPv6 works at once
    await host.run("sysctl -qw net.ipv6.conf.default.accept_dad=0; ip link set lo up");
    return host;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.splice(0)) close();
    for (const name of this.#names) await deleteNetns(`${this.#folder}/${name}`);
    await deleteNetnsFolder(this.#folder);
  }
}

export interface Probe {
  readonly protocol?: Protocol;
  readonly to: string;
  readonly port: number;
  /** Address to send from. Default: the kernel's choice. */
  readonly from?: string;
}

/** One namespace. */
export class Host {
  readonly name: string;
  readonly netns: string;
  readonly #closers: (() => void)[];

  constructor(name: string, netns: string, closers: (() => void)[]) {
    this.name = name;
    this.netns = netns;
    this.#closers = closers;
  }

  /** Runs shell lines inside; rejects with what they wrote when they fail. */
  run(script: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn("nsenter", [`--net=${this.netns}`, "sh", "-ec", script]);
      let output = "";
      child.stdout.on("data", (bytes) => (output += bytes));
      child.stderr.on("data", (bytes) => (output += bytes));
      child.on("close", (code) =>
        code === 0 ? resolve(output) : reject(new Error(`${this.name}: ${script}: ${output}`)),
      );
    });
  }

  /** Links two hosts with a veth pair. */
  async connect(link: string, peer: Host, peerLink: string): Promise<void> {
    await this.run(`ip link add ${link} type veth peer name ${peerLink} netns ${peer.netns}`);
    await Promise.all([this.run(`ip link set ${link} up`), peer.run(`ip link set ${peerLink} up`)]);
  }

  /** Servers, tcp and udp, both families: they answer with their name and port and the address they were asked from. */
  async serve(...ports: readonly number[]): Promise<void> {
    await Promise.all(
      ports.flatMap((port) =>
        ["0.0.0.0", "::"].flatMap((at) => [this.#serveTcp(at, port), this.#serveUdp(at, port)]),
      ),
    );
  }

  /**
   * What answered and whom it saw, e.g. "c1:80 192.0.2.2", or "refused", or "nothing" after `timeoutMs`. An answer that is
   * wanted may take its time on a busy machine.
   */
  ask({ protocol = "tcp", to, port, from }: Probe, timeoutMs = 10_000): Promise<string> {
    const family = to.includes(":") ? "::" : "0.0.0.0";
    const bound = bindSocket({ netns: this.netns, protocol, address: address(from ?? family), port: 0 });
    return protocol === "tcp" ? askTcp(bound, to, port, timeoutMs) : askUdp(bound, to, port, timeoutMs);
  }

  /** One udp flow, to be asked again and again. */
  async converse({ to, port }: Probe): Promise<{ say(): Promise<string> } & Disposable> {
    const family = to.includes(":") ? "::" : "0.0.0.0";
    const fd = await bindSocket({ netns: this.netns, protocol: "udp", address: address(family), port: 0 });
    const socket = dgram.createSocket(family === "::" ? "udp6" : "udp4");
    await new Promise<void>((bound) => socket.bind({ fd }, bound));
    await new Promise<void>((connected) => socket.connect(port, to, connected));
    const say = () =>
      new Promise<string>((resolve) => {
        const timer = setTimeout(resolve, 10_000, "nothing");
        socket.once("message", (bytes) => {
          clearTimeout(timer);
          resolve(`${bytes}`);
        });
        socket.send("?");
      });
    return { say, [Symbol.dispose]: () => socket.close() };
  }

  async #serveTcp(at: string, port: number): Promise<void> {
    const fd = await bindSocket({
      netns: this.netns,
      protocol: "tcp",
      address: address(at),
      port,
      listen: 64,
    });
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end(`${this.name}:${port} ${socket.remoteAddress}`);
    });
    await new Promise<void>((listening) => server.listen({ fd }, listening));
    this.#closers.push(() => server.close());
  }

  async #serveUdp(at: string, port: number): Promise<void> {
    const fd = await bindSocket({ netns: this.netns, protocol: "udp", address: address(at), port });
    const socket = dgram.createSocket(at === "::" ? "udp6" : "udp4");
    socket.on("message", (_, from) =>
      socket.send(`${this.name}:${port} ${from.address}`, from.port, from.address),
    );
    socket.on("error", () => undefined);
    await new Promise<void>((bound) => socket.bind({ fd }, bound));
    this.#closers.push(() => socket.close());
  }
}

/** Nothing answers, not even a refusal. */
export async function silence(
  from: Host,
  to: string,
  port: number,
  protocol: "tcp" | "udp" = "tcp",
): Promise<void> {
  const label = `${from.name} asks ${to}:${port}/${protocol}: `;
  expect(label + (await from.ask({ to, port, protocol }, 250))).toBe(`${label}nothing`);
}

/** Text that a test knows to be an address. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

async function askTcp(
  bound: Promise<number>,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<string> {
  const socket = new net.Socket({ fd: await bound, readable: true, writable: true });
  return new Promise((resolve) => {
    let answer = "";
    const end = (text: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(end, timeoutMs, "nothing");
    socket.on("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "ECONNREFUSED" ? "refused" : `${error.code}`),
    );
    socket.on("data", (bytes) => (answer += bytes));
    socket.on("end", () => end(answer));
    socket.connect({ host, port });
  });
}

async function askUdp(
  bound: Promise<number>,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<string> {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const fd = await bound;
  return new Promise((resolve) => {
    const end = (text: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(text);
    };
    const timer = setTimeout(end, timeoutMs, "nothing");
    socket.on("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "ECONNREFUSED" ? "refused" : `${error.code}`),
    );
    socket.on("message", (bytes) => end(`${bytes}`));
    socket.bind({ fd }, () => socket.connect(port, host, () => socket.send("?")));
  });
}
