// Archives between this engine and a real dockerd, both ways, and the sample images in it.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Images } from "../../../src/image/index.ts";
import { Undo } from "../../../src/util/undo.ts";
import { eventually } from "../runtime/fixture.ts";
import { everyStep } from "../steps.ts";
import { drain, ImageLab, never, once, sampleArchive } from "./fixture.ts";

const run = promisify(execFile);
const dockerdPath = "/usr/sbin/dockerd";

/** A dockerd without any network, in folders, a netns and a mount namespace of its own. */
class Dockerd implements AsyncDisposable {
  readonly folder: string;
  readonly pid: number;
  readonly #undo: Undo;

  private constructor(folder: string, pid: number, undo: Undo) {
    this.folder = folder;
    this.pid = pid;
    this.#undo = undo;
  }

  static async start(): Promise<Dockerd> {
    await using undo = new Undo();
    const folder = await mkdtemp(`/tmp/tsdocker-dd-${process.pid}-`);
    undo.defer("remove folder", () => rm(folder, { recursive: true, force: true }));
    const path = (name: string) => join(folder, name);
    const flags = ["--data-root", path("data"), "--exec-root", path("exec"), "--pidfile", path("pid")];
    const quiet = ["--bridge=none", "--iptables=false", "--ip-forward=false", "-H", `unix://${path("sock")}`];
    const start = ["sh", "-c", 'ip link set lo up; exec "$@"', "sh", dockerdPath, ...flags, ...quiet];
    const argv = ["--net", "--mount", "--propagation", "slave", ...start];
    const child: ChildProcess = spawn("unshare", argv, { stdio: "ignore" });
    const exited = new Promise((resolve) => child.once("exit", resolve));
    undo.defer("stop dockerd", async () => {
      child.kill();
      await exited;
    });
    const pid = child.pid ?? 0;
    const dockerd = new Dockerd(folder, pid, undo);
    await eventually(() => dockerd.isReady(), "dockerd answers");
    return new Dockerd(folder, pid, undo.move());
  }

  async docker(...args: string[]): Promise<string> {
    const { stdout } = await run("docker", ["-H", `unix://${join(this.folder, "sock")}`, ...args]);
    return stdout;
  }

  async isReady(): Promise<boolean> {
    return await this.docker("version").then(
      () => true,
      () => false,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.dispose();
  }
}

describe.skipIf(!existsSync(dockerdPath))("beside dockerd", () => {
  let lab: ImageLab;
  let images: Images;
  let dockerd: Dockerd;

  beforeAll(async () => {
    lab = await ImageLab.create();
    images = await lab.open();
    for (const name of ["busybox", "nginx"] as const)
      await drain(images.load(once(await sampleArchive(name)), { quiet: true }, never));
    dockerd = await Dockerd.start();
  });
  afterAll(async () => {
    await everyStep(
      async () => await dockerd?.[Symbol.asyncDispose](),
      async () => await lab?.[Symbol.asyncDispose](),
    );
  });

  it("writes archives that dockerd loads and runs", async () => {
    await images.tag("busybox", { repository: "also", tag: "v1" });
    const archive = join(dockerd.folder, "ours.tar");
    await writeFile(archive, await buffer(await images.save(["busybox", "also:v1", "nginx"], never)));
    const said = await dockerd.docker("load", "-i", archive);
    for (const name of ["busybox:latest", "also:v1", "nginx:latest"])
      expect(said).toContain(`Loaded image: ${name}`);
    for (const name of ["busybox", "nginx"]) {
      const id = await dockerd.docker("image", "inspect", "-f", "{{.Id}}", name);
      expect(id.trim()).toBe((await images.resolve(name)).id);
    }
    const out = await dockerd.docker(
      "run",
      "--rm",
      "--network",
      "none",
      "busybox",
      "sh",
      "-c",
      "echo $((6 * 7))",
    );
    expect(out).toBe("42\n");
  });

  it("runs nginx, and curl inside it", async () => {
    const id = (await dockerd.docker("run", "-d", "--network", "none", "nginx")).trim();
    const fetch = () => dockerd.docker("exec", id, "bash", "-c", "curl -sf http://127.0.0.1/");
    await eventually(() => fetch().then(Boolean, () => false), "nginx answers");
    expect(await fetch()).toContain("Welcome to nginx!");
    await eventually(async () => (await dockerd.docker("logs", id)).includes("GET / HTTP/1.1"), "access log");
    await dockerd.docker("stop", id);
    expect((await dockerd.docker("inspect", "-f", "{{.State.ExitCode}}", id)).trim()).toBe("0");
    await dockerd.docker("rm", id);
  });

  it("loads what dockerd saved: the classic layout", async () => {
    const changed = (await dockerd.docker("create", "--network", "none", "busybox")).trim();
    await dockerd.docker("commit", "--change", "ENV A=1", changed, "mine:2");
    const archive = join(dockerd.folder, "theirs.tar");
    await dockerd.docker("save", "-o", archive, "mine:2", "busybox:latest");
    await images.remove("busybox", { force: true });
    await images.remove("also:v1", { force: true });
    const messages = await drain(images.load(once(await readFile(archive)), { quiet: true }, never));
    expect(messages.map(({ stream }) => stream).sort()).toEqual([
      "Loaded image: busybox:latest\n",
      "Loaded image: mine:2\n",
    ]);
    const id = (await dockerd.docker("image", "inspect", "-f", "{{.Id}}", "mine:2")).trim();
    const image = await images.resolve("mine:2");
    expect(image.id).toBe(id);
    expect(image.config.Env).toContain("A=1");
    await dockerd.docker("rm", changed);
  });

  it("imports what dockerd exported", async () => {
    const id = (await dockerd.docker("create", "--network", "none", "busybox")).trim();
    const archive = join(dockerd.folder, "export.tar");
    await dockerd.docker("export", "-o", archive, id);
    const source = once(await readFile(archive));
    await drain(
      images.import({ source, repository: "imported", tag: "1", message: "", changes: ["CMD sh"] }, never),
    );
    const image = await images.resolve("imported:1");
    expect(image.config.Cmd).toEqual(["/bin/sh", "-c", "sh"]);
    await dockerd.docker("rm", id);
  });

  it("exchanges images with dockerd through a registry", async () => {
    const registry = await lab.registry();
    await registry.alsoIn(dockerd.pid);
    const theirs = "localhost:5000/theirs:1";
    await dockerd.docker("tag", "mine:2", theirs);
    const pushes = () => dockerd.docker("push", theirs);
    await eventually(() => pushes().then(Boolean, () => false), "dockerd pushes");
    await drain(images.pull({ reference: `${registry.host}/theirs:1` }, never));
    const { id } = await images.resolve(`${registry.host}/theirs:1`);
    expect((await dockerd.docker("image", "inspect", "-f", "{{.Id}}", theirs)).trim()).toBe(id);

    await images.tag("nginx", { repository: `${registry.host}/ours`, tag: "1" });
    await drain(images.push({ name: `${registry.host}/ours`, tag: "1" }, never));
    expect(await dockerd.docker("pull", "localhost:5000/ours:1")).toContain("Status: Downloaded newer image");
    const pulled = await dockerd.docker("image", "inspect", "-f", "{{.Id}}", "localhost:5000/ours:1");
    expect(pulled.trim()).toBe((await images.resolve("nginx")).id);
  });
});
