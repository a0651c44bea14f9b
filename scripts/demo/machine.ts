// Machines that are namespaces: a process tree with its own network, mounts, hostname and process ids. Everything in one
// ends with its first process, as with the power: links, mounts, containers.

import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile, readlink, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addAddress, createVeth, openNetlink, setLink } from "../../src/kernel/index.ts";
import type { Prefix } from "../../src/netip/index.ts";

const root = join(import.meta.dirname, "../..");

export interface MachineWish {
  readonly hostname: string;
  /** What its disk would hold. */
  readonly folder: string;
}

/** Owns the processes in it. */
export class Machine implements AsyncDisposable {
  readonly hostname: string;
  readonly folder: string;
  readonly #holder: ChildProcess;
  /** Its first process, as the rest of the world numbers it. */
  readonly #pid: number;
  #isOn = true;

  private constructor({ hostname, folder }: MachineWish, holder: ChildProcess, pid: number) {
    this.hostname = hostname;
    this.folder = folder;
    this.#holder = holder;
    this.#pid = pid;
  }

  static async start(wish: MachineWish): Promise<Machine> {
    // /run is its own, so that daemon and clients find each other where they do on a machine
    const script = [
      "hostname $0",
      "mount -t tmpfs tmpfs /run",
      "ip link set lo up",
      "echo on",
      // the first process has the orphans of the others
      "while :; do sleep 3600 & wait; done",
    ].join("\n");
    const namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"];
    const argv = [
      "--pdeathsig",
      "KILL",
      "unshare",
      ...namespaces,
      "--kill-child",
      "sh",
      "-ec",
      script,
      wish.hostname,
    ];
    // of a session of its own: Ctrl-C is for the tour, which then ends machines itself
    const holder = spawn("setpriv", argv, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let complaint = "";
    holder.stderr?.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    await new Promise((resolve, reject) => {
      holder.stdout?.once("data", resolve);
      holder.once("exit", () => reject(new Error(`start machine ${wish.hostname}: ${complaint}`)));
    });
    const children = await readFile(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8");
    return new Machine(wish, holder, Number(children.split(" ")[0]));
  }

  get netns(): string {
    return `/proc/${this.#pid}/ns/net`;
  }

  /** Starts a command as somebody who sits at it does. */
  spawn(command: string, stdio: "inherit" | "pipe" | "ignore" = "pipe"): ChildProcess {
    const enter = ["--target", `${this.#pid}`, "--net", "--mount", "--uts", "--ipc", "--pid"];
    const path = `${join(root, "bin")}:/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/sbin:/bin`;
    const env = { PATH: path, HOME: this.folder, TERM: process.env.TERM ?? "dumb" };
    return spawn("nsenter", [...enter, "sh", "-c", command], {
      cwd: "/",
      env,
      stdio: stdio === "inherit" ? "inherit" : ["ignore", stdio, stdio],
      detached: stdio === "ignore",
    });
  }

  /** All at once, nothing asked. */
  async powerOff(): Promise<void> {
    if (!this.#isOn) return;
    this.#isOn = false;
    const cgroups = await this.#cgroups();
    const ended = new Promise((resolve) => this.#holder.once("exit", resolve));
    process.kill(this.#pid, "SIGKILL");
    await ended;
    for (const cgroup of cgroups) await removeCgroup(cgroup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  /** Of the containers: the one thing that does not end with the namespaces. Paths as in /proc/PID/cgroup. */
  async #cgroups(): Promise<string[]> {
    const own = await cgroupsOf("self");
    const home = await readlink(`/proc/${this.#pid}/ns/pid`);
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const paths = await Promise.all(
      pids.map(async (pid) => {
        // a process in a container has a number here, one there, and one of the machine's
        const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
        const isNested = (/^NSpid:(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/).length ?? 0) > 1;
        const isHere = isNested && (await this.#descends(pid, home));
        return isHere ? await cgroupsOf(pid) : [];
      }),
    );
    return [...new Set(paths.flat())].filter((path) => !own.includes(path));
  }

  /** Whether a process, or one that it comes from, is in the machine's own process namespace. */
  async #descends(pid: string, home: string): Promise<boolean> {
    for (let at = pid; at !== "0" && at !== "1"; ) {
      if ((await readlink(`/proc/${at}/ns/pid`).catch(() => "")) === home) return true;
      const stat = await readFile(`/proc/${at}/stat`, "utf8").catch(() => "");
      at = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? "0";
    }
    return false;
  }
}

async function cgroupsOf(pid: string): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/cgroup`, "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => /^\d+:[^:]*:(\/.+)$/.exec(line)?.[1] ?? []);
}

async function removeCgroup(path: string): Promise<void> {
  const top = "/sys/fs/cgroup";
  const hierarchies = (await readdir(top, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  // its processes take a moment to end; one that is not there is fine
  for (const folder of [top, ...hierarchies.map(({ name }) => join(top, name))])
    for (let tries = 0; tries < 20; tries++) {
      const code = await rmdir(join(folder, path)).then(
        () => "",
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (code !== "EBUSY") break;
      await sleep(20);
    }
}

/** A cable from a machine to a switch: `eth0` there, a port of the bridge `lan` here. */
export async function plugIn(machine: Machine, lan: Machine, prefix: Prefix): Promise<void> {
  await using ports = await openNetlink(lan.netns);
  await using links = await openNetlink(machine.netns);
  const bridge = await ports.link("lan");
  await ports.send(
    createVeth({
      name: machine.hostname,
      up: true,
      ...(bridge && { master: bridge.index }),
      peer: { name: "eth0", netns: machine.netns },
    }),
  );
  const link = await links.link("eth0");
  if (!link) throw new Error(`plug ${machine.hostname} in: its link is not there`);
  await links.send(addAddress({ link: link.index, prefix }), setLink("eth0", { up: true }));
}
