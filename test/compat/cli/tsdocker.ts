// tsdocker as its users have it: bundled, in a process of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Ran, runProcess } from "./docker-daemon.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

export class BundledCli implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async build(): Promise<BundledCli> {
    const folder = await mkdtemp(join(tmpdir(), `tsdocker-${process.pid}-`));
    await build({
      absWorkingDir: root,
      entryPoints: ["src/cli/main.ts"],
      outfile: join(folder, "tsdocker.cjs"),
      bundle: true,
      platform: "node",
      format: "cjs",
      target: "node22",
      logLevel: "error",
    });
    return new BundledCli(folder);
  }

  /** The start of a command line that runs it. */
  get command(): readonly [string, ...string[]] {
    return [process.execPath, "--", join(this.#folder, "tsdocker.cjs")];
  }

  /** Its own name replaced by docker's, for comparing. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
    const [file, ...before] = this.command;
    const { stdout, stderr, exitCode } = await runProcess(file, [...before, ...args], env);
    return { stdout: asDocker(stdout), stderr: asDocker(stderr), exitCode };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function asDocker(text: string): string {
  return text.replaceAll(/\btsdocker\b/g, "docker");
}
