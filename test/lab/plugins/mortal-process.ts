// The plugin that dies in a call, as somebody runs it who starts it again at once when it has ended.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { deleteLink, type Link, unless } from "../../../src/kernel/index.ts";
import type { LabHost } from "../lab.ts";
import type { Death, MortalSettings, Noted } from "./mortal-program.ts";
import { listNotebook } from "./notebook.ts";

const root = join(import.meta.dirname, "..", "..", "..");

/** The program in one file, which starts in a tenth of the time; and the folder of its plugins' sockets. */
export class MortalGround implements AsyncDisposable {
  readonly host: LabHost;
  readonly folder: string;

  private constructor(host: LabHost, folder: string) {
    this.host = host;
    this.folder = folder;
  }

  static async create(host: LabHost): Promise<MortalGround> {
    const folder = await mkdtemp(join(tmpdir(), "mortal-"));
    await build({
      entryPoints: [join(import.meta.dirname, "mortal-program.ts")],
      outfile: join(folder, "program.cjs"),
      bundle: true,
      minify: true,
      platform: "node",
      format: "cjs",
      define: { "import.meta.url": "url" },
      banner: { js: 'const url = require("node:url").pathToFileURL(__filename).href;' },
    });
    // where the addon is looked for
    await symlink(join(root, "build"), join(folder, "build"));
    return new MortalGround(host, folder);
  }

  get program(): string {
    return join(this.folder, "program.cjs");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

export class MortalProcess implements AsyncDisposable {
  readonly name: string;
  /** How often it was started. */
  lives = 0;
  readonly #ground: MortalGround;
  readonly #settings: MortalSettings;
  #process: ChildProcess | undefined;
  #life: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(
    ground: MortalGround,
    {
      name,
      isForgetful = false,
      death,
    }: { readonly name: string; readonly isForgetful?: boolean; readonly death?: Death },
  ) {
    this.name = name;
    this.#ground = ground;
    const file = (ending: string) => join(ground.folder, `${name}.${ending}`);
    this.#settings = {
      netns: ground.host.netns,
      socket: file("sock"),
      notebook: file("notebook"),
      calls: file("calls"),
      isForgetful,
      ...(death && { death }),
    };
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const { death, ...immortal } = this.#settings;
    const settings = this.lives++ === 0 ? this.#settings : immortal;
    const child = spawn(process.execPath, [this.#ground.program, JSON.stringify(settings)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#process = child;
    const ended = once(child, "exit");
    this.#life = ended.then(() => (this.#isOver ? undefined : this.start()));
    if (child.stdout) await Promise.race([once(child.stdout, "data"), ended]);
  }

  /** What it was asked, in all of its lives. */
  async calls(): Promise<readonly Noted[]> {
    const text = await readFile(this.#settings.calls, "utf8").catch(() => "");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** Links and leases that it has still. */
  async possessions(): Promise<string[]> {
    const links = (await this.#links()).map(({ name }) => `link ${name}`);
    return [...links, ...listNotebook(this.#settings.notebook)];
  }

  /** What it would have deleted had it lived. */
  async deleteLinks(): Promise<void> {
    const { netlink } = this.#ground.host;
    for (const { index } of await this.#links()) await unless(["ENODEV"], netlink.send(deleteLink(index)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#process?.kill("SIGKILL");
    await this.#life;
  }

  async #links(): Promise<Link[]> {
    const ids = new Set((await this.calls()).flatMap(({ ids }) => ids).map((id) => id.slice(0, 10)));
    const links = await this.#ground.host.netlink.links();
    return links.filter(({ name }) => /^w[bip]/.test(name) && ids.has(name.slice(2)));
  }
}
