// npm run demo:overlay: three hosts on this machine form a cluster, share a network and lose one part after the other. Each
// command is printed and then run, on the host at whose prompt it stands; its output is its own.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { createBridge, openNetlink } from "../../src/kernel/index.ts";
import { parsePrefix } from "../../src/netip/index.ts";
import { errorMessage } from "../../src/util/errors.ts";
import { Machine, plugIn } from "./machine.ts";

const root = join(import.meta.dirname, "../..");
const isTerminal = process.stdout.isTTY;
const stopped = new AbortController();

/** Owns what was started for the tour. */
class Stage implements AsyncDisposable {
  readonly #folder: string;
  readonly #machines: Machine[] = [];
  readonly #lan: Machine;

  private constructor(folder: string, lan: Machine) {
    this.#folder = folder;
    this.#lan = lan;
  }

  static async create(): Promise<Stage> {
    const folder = await mkdtemp("/tmp/tsdocker-demo-");
    const lan = await Machine.start({ hostname: "lan", folder });
    await using netlink = await openNetlink(lan.netns);
    await netlink.send(createBridge({ name: "lan", up: true, multicastSnooping: false }));
    return new Stage(folder, lan);
  }

  /** The next host, at 192.0.2.11, .12, … */
  async host(): Promise<Host> {
    const number = this.#machines.length + 1;
    const hostname = `host${number}`;
    const machine = await Machine.start({ hostname, folder: join(this.#folder, hostname) });
    this.#machines.push(machine);
    const prefix = parsePrefix(`192.0.2.${10 + number}/24`);
    if (prefix) await plugIn(machine, this.#lan, prefix);
    return new Host(machine);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of [...this.#machines, this.#lan]) await machine.powerOff();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A host and its prompt. */
class Host {
  readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Prints a command, runs it and prints what it says. @throws when it fails */
  async type(command: string): Promise<string> {
    prompt(this.machine.hostname, command);
    const child = this.machine.spawn(command);
    child.stdout?.on("data", (chunk) => process.stdout.write(chunk));
    child.stderr?.on("data", (chunk) => process.stdout.write(chunk));
    const said = child.stdout ? text(child.stdout) : "";
    const [code] = await once(child, "close", { signal: stopped.signal });
    if (code !== 0) throw new Error(`${this.machine.hostname}: ${command}: exit code ${code}`);
    return await said;
  }

  /** The same without a word; undefined when it fails. */
  async ask(command: string): Promise<string | undefined> {
    const child = this.machine.spawn(command);
    const said = child.stdout ? text(child.stdout) : "";
    child.stderr?.resume();
    const [code] = await once(child, "close", { signal: stopped.signal });
    return code === 0 ? await said : undefined;
  }

  /** Until a command says what it should. @throws after a minute */
  async until(command: string, wanted: RegExp): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!wanted.test((await this.ask(command)) ?? "")) {
      if (Date.now() > deadline)
        throw new Error(`${this.machine.hostname}: ${command}: never says ${wanted}`);
      await sleep(100, undefined, { signal: stopped.signal });
    }
  }

  async startDaemon(): Promise<void> {
    const folder = this.machine.folder;
    prompt(this.machine.hostname, "tsdockerd --live-restore &");
    this.machine.spawn(
      `mkdir -p ${folder} && exec tsdockerd --live-restore --data-root ${folder}/data >>${folder}/log 2>&1`,
      "ignore",
    );
    await this.until("tsdocker version", /Server/);
  }
}

function prompt(hostname: string, command: string): void {
  const words = `${hostname}# ${command}`;
  process.stdout.write(isTerminal ? `\u001b[1m${words}\u001b[0m\n` : `${words}\n`);
}

function say(...lines: readonly string[]): void {
  process.stdout.write(
    `\n${lines.map((line) => (isTerminal ? `\u001b[36m# ${line}\u001b[0m` : `# ${line}`)).join("\n")}\n`,
  );
}

const wget = "tsdocker run --rm --network blue busybox wget -qO- http://web | grep title";

async function tour(stage: Stage): Promise<void> {
  say("Three hosts on a LAN, 192.0.2.11 to 192.0.2.13, with a daemon and a containerd each.");
  const hosts = [await stage.host(), await stage.host(), await stage.host()];
  const [one, two, three] = hosts;
  if (!one || !two || !three) return;
  for (const host of hosts) await host.startDaemon();
  const images = join(root, ".cache/images");
  for (const host of hosts)
    for (const name of ["busybox", "nginx"]) await host.ask(`tsdocker load -i ${images}/${name}.tar`);
  await form(hosts, { one, two, three });
  await share({ one, two });
  await lose({ one, two, three });
}

type Named<K extends string> = Readonly<Record<K, Host>>;

async function form(
  hosts: readonly Host[],
  { one, two, three }: Named<"one" | "two" | "three">,
): Promise<void> {
  say("They form a cluster. The first one prints what to type on the others.");
  const joinLine = /^ +(tsdocker cluster join .*)$/m.exec(await one.type("tsdocker cluster init"))?.[1];
  if (!joinLine) throw new Error("cluster init printed no command for the others");
  await two.type(joinLine);
  await three.type(joinLine);
  // with three hosts each becomes a member of the store by itself
  for (const host of hosts) await host.until("tsdocker cluster status", /Members: +3 of 3 answer/);
  await one.type("tsdocker cluster ls");
}

/** A network that they share, and a web server on it. */
async function share({ one, two }: Named<"one" | "two">): Promise<void> {
  say("A network made on one host is there on all.");
  await one.type("tsdocker network create -d overlay blue");
  await two.until("tsdocker network ls", /blue +overlay/);
  await two.type("tsdocker network ls");
  say("A web server on host1, and somebody on host2 who asks it by its name.");
  await one.type("tsdocker run -d --name web --network blue nginx");
  await two.type(wget);
}

async function lose({ one, two, three }: Named<"one" | "two" | "three">): Promise<void> {
  say("A container on host3 that asks all the time, to see what it costs to lose something.");
  await three.type("tsdocker run -d --name client --network blue busybox sleep 1d");
  await three.type("tsdocker exec client ping -c 3 web");
  say("What host1's kernel knows of it: all that a packet needs. No daemon is in its way.");
  const inNetwork = "nsenter --net=$(ls -d /run/tsdocker/netns/overlay-????????????)";
  await one.type(`${inNetwork} bridge fdb show | grep dst`);
  await one.type(`${inNetwork} ip neigh show nud permanent`);

  say("The store loses a member: the other two go on, and the daemon starts it again.");
  await three.type("kill -9 $(pidof etcd)");
  await two.type(wget);
  await one.until("tsdocker cluster status", /Members: +3 of 3 answer/);
  await one.type("tsdocker cluster status");

  say("host1 loses its daemon. Those who knew each other go on, and another daemon finds it all.");
  await one.type("kill -9 $(cat /run/tsdocker.pid)");
  await three.type("tsdocker exec client wget -qO- http://web | grep title");
  await one.startDaemon();
  await one.type("tsdocker ps");

  say("The cable of host3 is pulled, for longer than its lease.");
  await three.type("ip link set eth0 down");
  await one.until("tsdocker cluster ls", /host3 .* down/);
  await one.type("tsdocker cluster ls");
  await two.type(wget);
  await three.type("ip link set eth0 up");
  await one.until("tsdocker cluster ls", /host3 .* up/);
  await three.type("tsdocker exec client ping -c 3 web");

  say("host3 loses its power, with its member of the store and all its containers.");
  await three.machine.powerOff();
  await one.until("tsdocker cluster ls", /host3 .* down/);
  await one.type("tsdocker cluster ls");
  await two.type(wget);
  await one.type("tsdocker run -d --name another --network blue busybox sleep 1d");
  await two.type("tsdocker network create -d overlay green");
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    console.error("demo:overlay makes network namespaces: run it as root");
    return 1;
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => stopped.abort(new Error("interrupted")));
  await promisify(execFile)(process.execPath, [join(root, "scripts/sample-images.ts"), "--no-load"]);
  await using stage = await Stage.create();
  try {
    await tour(stage);
    say("That was all. Everything that was made for it goes now.");
    return 0;
  } catch (error) {
    say(stopped.signal.aborted ? "Interrupted: cleaning up." : `It ended early: ${errorMessage(error)}`);
    return 1;
  }
}

process.exitCode = await main();
