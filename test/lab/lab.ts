// A lab: hosts that are network namespaces on segments that are bridges in namespaces of their own, so that a test has
// as many machines as it wants and leaves none behind.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import {
  addAddress,
  addRoute,
  createBridge,
  createNetns,
  createVeth,
  deleteNetns,
  deleteNetnsFolder,
  type Netlink,
  openNetlink,
  setLink,
  writeSysctl,
} from "../../src/kernel/index.ts";
import {
  type Address,
  addressPlus,
  firstAddress,
  formatAddress,
  type Prefix,
  parsePrefix,
} from "../../src/netip/index.ts";
import { leaks, type Snapshot, snapshotMachine, snapshotNetns } from "./leaks.ts";
import { everyStep } from "./steps.ts";

export type Protocol = "tcp" | "udp";

export interface AskOptions {
  readonly protocol?: Protocol;
  readonly timeoutMs?: number;
  /** The client's own address. */
  readonly from?: string;
}

let labs = 0;

/** Owns its hosts, segments and the processes in them. */
export class Lab implements AsyncDisposable {
  /** Where namespaces are pinned; scratch files may go there too. */
  readonly folder: string;
  readonly #hosts: LabHost[] = [];
  readonly #segments: Segment[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Lab> {
    return new Lab(`/run/tsdocker-lab-${process.pid}-${++labs}`);
  }

  /** A LAN with a subnet per family, without hosts yet. */
  segment(...subnets: readonly string[]): Segment {
    const prefixes = subnets.map((text) => {
      const prefix = parsePrefix(text);
      if (!prefix) throw new TypeError(`not a prefix: ${text}`);
      return prefix;
    });
    const segment = new Segment(this, join(this.folder, `lan${this.#segments.length}`), prefixes);
    this.#segments.push(segment);
    return segment;
  }

  /** A host that is on no LAN; `lo` is up. */
  async host(name: string): Promise<LabHost> {
    const path = join(this.folder, name);
    await createNetns(path);
    const netlink = await openNetlink(path);
    await netlink.send(setLink("lo", { up: true }));
    const host = new LabHost(name, path, netlink);
    this.#hosts.push(host);
    return host;
  }

  /** Ends everything, and fails when something of the lab outlives it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#hosts, ...this.#segments];
    await everyStep(
      ...all.map((one) => () => one.close()),
      ...all.map((one) => () => deleteNetns(one.netns)),
      async () => all.length > 0 && (await deleteNetnsFolder(this.folder)),
      () => expectGone(this.folder),
    );
  }
}

/** A LAN: a bridge in a netns of its own. Host number n has the subnet's nth address. */
export class Segment {
  readonly netns: string;
  readonly subnets: readonly Prefix[];
  readonly #lab: Lab;
  #netlink: Promise<Netlink> | undefined;
  #bridge = 0;
  #used = 0;

  constructor(lab: Lab, netns: string, subnets: readonly Prefix[]) {
    this.#lab = lab;
    this.netns = netns;
    this.subnets = subnets;
  }

  /** A new host on this LAN; `router`: where its default routes lead. */
  async host(name: string, options: { readonly router?: LabHost } = {}): Promise<LabHost> {
    const host = await this.#lab.host(name);
    await this.attach(host);
    if (options.router) await host.routeVia(options.router.addresses);
    return host;
  }

  /** Puts a host on this LAN too, as its next ethN. */
  async attach(host: LabHost): Promise<void> {
    const netlink = await this.#open();
    const number = ++this.#used;
    const name = `eth${host.interfaces}`;
    await netlink.send(
      createVeth({
        name: `port${number}`,
        master: this.#bridge,
        up: true,
        peer: { name, netns: host.netns },
      }),
    );
    const prefixes = this.subnets.map((subnet) => ({
      address: addressPlus(firstAddress(subnet), BigInt(number)),
      length: subnet.length,
    }));
    await host.addLink(name, prefixes);
  }

  async close(): Promise<void> {
    await (await this.#netlink)?.close();
  }

  async #open(): Promise<Netlink> {
    this.#netlink ??= this.#create();
    return await this.#netlink;
  }

  async #create(): Promise<Netlink> {
    await createNetns(this.netns);
    const netlink = await openNetlink(this.netns);
    await netlink.send(createBridge({ name: "lan", up: true, multicastSnooping: false }));
    this.#bridge = (await netlink.link("lan"))?.index ?? 0;
    return netlink;
  }
}

/** A machine of the lab: a netns, and a process in it that talks to others. */
export class LabHost {
  readonly name: string;
  readonly netns: string;
  readonly netlink: Netlink;
  readonly addresses: Address[] = [];
  interfaces = 0;
  #agent: Agent | undefined;
  #before: Snapshot | undefined;

  constructor(name: string, netns: string, netlink: Netlink) {
    this.name = name;
    this.netns = netns;
    this.netlink = netlink;
  }

  /** Its address of a family, in text. */
  address(family: 4 | 6 = 4): string {
    const address = this.addresses.find((own) => own.family === family);
    if (!address) throw new Error(`${this.name} has no IPv${family} address`);
    return formatAddress(address);
  }

  async addLink(name: string, prefixes: readonly Prefix[]): Promise<void> {
    const link = await this.netlink.link(name);
    if (!link) throw new Error(`${this.name} has no link ${name}`);
    // without its link-local address, which is tentative for up to two seconds, a router finds no neighbour
    await writeSysctl(`net.ipv6.conf.${name}.accept_dad`, "0", this.netns);
    await this.netlink.send(
      ...prefixes.map((prefix) =>
        addAddress({ link: link.index, prefix, noDad: prefix.address.family === 6 }),
      ),
      setLink(link.index, { up: true }),
    );
    this.interfaces++;
    this.addresses.push(...prefixes.map(({ address }) => address));
  }

  /** Default routes by these addresses, one per family. */
  async routeVia(gateways: readonly Address[]): Promise<void> {
    await this.netlink.send(
      ...gateways.map((gateway) => addRoute({ family: gateway.family, gateway }, { replace: true })),
    );
  }

  /** A route to a subnet by this address. */
  async routeTo(subnet: Prefix, gateway: Address): Promise<void> {
    await this.netlink.send(addRoute({ family: gateway.family, destination: subnet, gateway }));
  }

  /** Runs a command in the host's netns; rejects with its output when it fails. */
  async run(file: string, ...args: readonly string[]): Promise<string> {
    return await new Promise((resolve, reject) => {
      execFile(
        "nsenter",
        [`--net=${this.netns}`, file, ...args],
        { encoding: "utf8" },
        (error, stdout, stderr) =>
          error
            ? reject(new Error(`${file} ${args.join(" ")}: ${error.message}${stderr}${stdout}`))
            : resolve(stdout),
      );
    });
  }

  /** Starts a command in the host's netns; whoever starts it ends it. */
  spawn(file: string, args: readonly string[], options: Parameters<typeof spawn>[2] = {}): ChildProcess {
    return spawn("nsenter", [`--net=${this.netns}`, file, ...args], options);
  }

  /** Answers on a port with `<reply> <client's address>` until it is closed; port 0 = any. */
  async listen(
    address: string,
    port: number,
    options: { readonly protocol?: Protocol; readonly reply?: string } = {},
  ): Promise<Listener> {
    const agent = this.#open();
    const id = `${address} ${port} ${options.protocol} ${Math.random()}`;
    const { protocol = "tcp", reply = this.name } = options;
    const bound = await agent.call("listen", { id, protocol, address, port, reply });
    const close = async () => void (await agent.call("close", { id }));
    return { port: Number(bound), close, [Symbol.asyncDispose]: close };
  }

  /** Asks `address:port` (`[v6]:port`) and resolves with the answer; rejects with the error's code. */
  async ask(target: string, options: AskOptions = {}): Promise<string> {
    const { host, port } = splitTarget(target);
    const { protocol = "tcp", timeoutMs = 5_000, from } = options;
    const answer = await this.#open().call("ask", {
      protocol,
      address: host,
      port,
      text: "hello",
      timeoutMs,
      ...(from && { localAddress: from }),
    });
    return String(answer);
  }

  /** Remembers what is in the netns, for `expectUnchanged`. */
  async remember(): Promise<void> {
    this.#before = await snapshotNetns(this.netns);
  }

  /** Fails when the netns is not as it was remembered; waits a while, since the kernel takes its time to clean up. */
  async expectUnchanged(timeout = 20_000): Promise<void> {
    const before = this.#before;
    if (!before) throw new Error(`${this.name}: nothing was remembered`);
    await expect
      .poll(async () => leaks(before, await snapshotNetns(this.netns)), { timeout, interval: 50 })
      .toEqual({});
  }

  async close(): Promise<void> {
    await this.#agent?.close();
    await this.netlink.close();
  }

  #open(): Agent {
    this.#agent ??= new Agent(this);
    return this.#agent;
  }
}

export interface Listener extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

/** The process inside a host's netns. */
class Agent {
  readonly #process: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (reason: Error) => void }>();
  readonly #ended: Promise<void>;
  #next = 0;

  constructor(host: LabHost) {
    const script = join(import.meta.dirname, "lab-agent.mjs");
    this.#process = host.spawn(process.execPath, [script, host.netns], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", (message) =>
      this.#answer(message as { call: number; value?: unknown; error?: string }),
    );
    this.#ended = new Promise((resolve) => this.#process.once("exit", () => resolve()));
    void this.#ended.then(() => {
      for (const { reject } of this.#calls.values()) reject(new Error(`the agent of ${host.name} has ended`));
    });
  }

  async call(operation: string, request: object): Promise<unknown> {
    const call = ++this.#next;
    return await new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      this.#process.send({ call, operation, request });
    });
  }

  async close(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    await this.#ended;
  }

  #answer({ call, value, error }: { call: number; value?: unknown; error?: string }): void {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(Object.assign(new Error(error), { code: error }));
  }
}

/** `192.0.2.1:80` or `[2001:db8::1]:80`. */
function splitTarget(target: string): { host: string; port: number } {
  const colon = target.lastIndexOf(":");
  return { host: target.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(target.slice(colon + 1)) };
}

/** Namespaces and processes end a moment after their last handle; also for hooks, where `expect.poll` is not at hand. */
async function expectGone(word: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const left = await snapshotMachine(word);
    if (left.mounts?.length === 0 && left.processes?.length === 0) return;
    if (Date.now() > deadline) expect(left).toEqual({ mounts: [], processes: [] });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
