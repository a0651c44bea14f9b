// A raw socket on an interface of a host: sends frames as they are given and remembers all that it hears.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Host } from "./lab.ts";

const program = join(import.meta.dirname, "wire.pl");

/** Owns a process in the host's namespace. */
export class Wire implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #heard: string[] = [];
  #wake: (() => void) | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once("close", resolve));
  }

  /** Listens once it resolves. */
  static async open(host: Pick<Host, "name" | "netns">, link = "eth0"): Promise<Wire> {
    const child = spawn("nsenter", [`--net=${host.netns}`, "perl", program, link], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const wire = new Wire(child);
    const lines = createInterface({ input: child.stdout });
    const [first] = await Promise.race([once(lines, "line"), once(child, "close")]);
    if (first !== "ready") throw new Error(`${host.name}: no raw socket on ${link}: ended with ${first}`);
    lines.on("line", (line) => {
      wire.#heard.push(line);
      wire.#wake?.();
    });
    return wire;
  }

  send(...frames: readonly Buffer[]): void {
    this.#child.stdin?.write(frames.map((frame) => `${frame.toString("hex")}\n`).join(""));
  }

  /** Waits for a frame that holds these bytes. Rejects after twenty seconds. */
  async hear(part: Buffer): Promise<void> {
    const limit = AbortSignal.timeout(20_000);
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    limit.addEventListener("abort", () => reject(new Error("a frame that must pass was not heard")));
    while (!this.hasHeard(part)) {
      const next = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([next, promise]);
    }
  }

  hasHeard(part: Buffer): boolean {
    const hex = part.toString("hex");
    return this.#heard.some((frame) => frame.includes(hex));
  }

  /** All that was heard from a MAC, in hex. */
  framesFrom(mac: string): string[] {
    const source = mac.replaceAll(":", "");
    return this.#heard.filter((frame) => frame.slice(12, 24) === source);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#closed;
  }
}
