// A person at a terminal: types when the screen says what they wait for.

import { type ChildProcess, spawn } from "node:child_process";
import { until } from "./run.ts";

export const terminalSize = { rows: 30, columns: 99 };

/** A command on a pseudo-terminal of util-linux' script(1). */
export class Terminal {
  readonly #process: ChildProcess;
  readonly #ended: Promise<number>;
  /** Everything that was on the screen. */
  screen = "";

  constructor(command: readonly string[], env: Readonly<Record<string, string>>) {
    const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const { rows, columns } = terminalSize;
    const line = `stty rows ${rows} cols ${columns}; exec ${quoted}`;
    this.#process = spawn("script", ["-qefc", line, "/dev/null"], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"],
      timeout: 60_000,
    });
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.screen += text;
    });
    this.#process.stdin?.on("error", () => undefined);
    this.#ended = new Promise((resolve) => this.#process.once("close", (code) => resolve(code ?? 137)));
  }

  type(text: string): void {
    this.#process.stdin?.write(text);
  }

  async shows(pattern: RegExp): Promise<void> {
    await until(`the terminal shows ${pattern}`, () => pattern.test(this.screen)).catch((error) => {
      throw new Error(`${error.message}; the screen: ${JSON.stringify(this.screen)}`);
    });
  }

  /** The command's exit code. */
  async ends(): Promise<number> {
    const code = await this.#ended;
    this.#process.stdin?.destroy();
    return code;
  }
}
