// A real dockerd in namespaces of its own (network and mounts), with its own containerd, for comparing clients on it.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a program to its end, whatever its exit code. */
export async function runProcess(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Ran> {
  try {
    const promise = exec(file, args, { env: { PATH: process.env.PATH, ...env }, maxBuffer: 2 ** 26 });
    promise.child.stdin?.end();
    return { ...(await promise), exitCode: 0 };
  } catch (error) {
    const { stdout = "", stderr = "", code = 1 } = error as Partial<Ran> & { code?: number };
    return { stdout, stderr, exitCode: Number(code) };
  }
}

/** Why there is nothing to compare with; undefined when there is. */
export async function missingPeers(needed: { daemon: boolean }): Promise<string | undefined> {
  const { stdout } = await runProcess("docker", ["--version"]);
  const major = Number(/version (\d+)\./.exec(stdout)?.[1] ?? 0);
  if (major < 28) return "no docker CLI of version 28 or later";
  if (!needed.daemon) return undefined;
  if (process.getuid?.() !== 0) return "not root";
  const programs = ["/usr/sbin/dockerd", "/usr/bin/containerd", "/bin/busybox"];
  const absent = programs.find((path) => !existsSync(path));
  return absent === undefined ? undefined : `no ${absent}`;
}

const script = `
containerd --config "$1/containerd.toml" > "$1/containerd.log" 2>&1 & c=$!
trap 'kill -TERM $d' TERM
dockerd --data-root "$1/data" --exec-root "$1/exec" -H "unix://$1/d.sock" --pidfile "$1/d.pid" \\
  --containerd "$1/c.sock" --config-file "$1/daemon.json" --iptables=false --bridge=none > "$1/dockerd.log" 2>&1 & d=$!
wait $d; wait $d
kill $c; wait $c
`;

/** dockerd with busybox:latest in it. */
export class DockerDaemon implements AsyncDisposable {
  readonly folder: string;
  readonly #process: ChildProcess;

  private constructor(folder: string, process: ChildProcess) {
    this.folder = folder;
    this.#process = process;
  }

  static async start(): Promise<DockerDaemon> {
    const folder = await mkdtemp(join(tmpdir(), `dockerd-${process.pid}-`));
    await writeFile(join(folder, "daemon.json"), "{}");
    await writeFile(join(folder, "containerd.toml"), containerdConfig(folder));
    const args = ["--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", folder];
    const child = spawn("unshare", args, { stdio: "ignore" });
    const daemon = new DockerDaemon(folder, child);
    try {
      await daemon.#ready();
      await daemon.docker("load", "-i", await busyboxArchive(folder));
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  get host(): string {
    return `unix://${this.folder}/d.sock`;
  }

  get env(): NodeJS.ProcessEnv {
    return { DOCKER_HOST: this.host, DOCKER_CONFIG: this.folder, HOME: this.folder };
  }

  /** Docker's own client on this daemon. */
  docker(...args: readonly string[]): Promise<Ran> {
    return runProcess("docker", args, this.env);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.docker("ps", "-aq");
    const ids = stdout.split("\n").filter(Boolean);
    if (ids.length > 0) await this.docker("rm", "-f", ...ids);
    if (!this.#hasEnded) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGTERM");
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (this.#hasEnded) break;
      if (await accepts(`${this.folder}/d.sock`)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`dockerd did not start: ${await readFile(join(this.folder, "dockerd.log"), "utf8")}`);
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function containerdConfig(folder: string): string {
  return `version = 2
root = "${folder}/c-root"
state = "${folder}/c-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${folder}/c.sock"
`;
}

/** A docker-archive of one layer: /bin/busybox and its links. */
async function busyboxArchive(folder: string): Promise<string> {
  const root = join(folder, "image");
  const layer = join(root, "layer");
  await mkdir(join(layer, "bin"), { recursive: true });
  await mkdir(join(layer, "tmp"));
  await cp("/bin/busybox", join(layer, "bin/busybox"));
  await exec("/bin/busybox", ["--install", "-s", join(layer, "bin")]);
  await relink(join(layer, "bin"));
  await exec("tar", ["-C", layer, "-cf", join(root, "layer.tar"), "."]);
  const { stdout } = await exec("sha256sum", [join(root, "layer.tar")]);
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: "2024-01-01T00:00:00Z",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${stdout.slice(0, 64)}`] },
    history: [{ created: "2024-01-01T00:00:00Z", created_by: "COPY busybox / # by\thand" }],
  };
  await writeFile(join(root, "config.json"), JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: ["busybox:latest"], Layers: ["layer.tar"] }];
  await writeFile(join(root, "manifest.json"), JSON.stringify(manifest));
  const archive = join(folder, "busybox.tar");
  await exec("tar", ["-C", root, "-cf", archive, "config.json", "manifest.json", "layer.tar"]);
  return archive;
}

/** busybox makes links to where it was installed from; in the image it lies beside them. */
async function relink(bin: string): Promise<void> {
  await exec("sh", [
    "-c",
    'cd "$1" && for f in *; do [ "$f" = busybox ] || ln -sf busybox "$f"; done',
    "sh",
    bin,
  ]);
}
