// The wire plugin as a program, in the namespace of a lab host.

import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { inject } from "vitest";
import type { LabHost } from "../lab/lab.ts";
import { until } from "./run.ts";

/** Owned by a test, which kills it in the end. */
export class WireProcess {
  readonly #host: LabHost;
  readonly #socket: string;
  #process: ChildProcess | undefined;

  constructor({ host, socket }: { readonly host: LabHost; readonly socket: string }) {
    this.#host = host;
    this.#socket = socket;
  }

  /** Unless it runs. */
  async start(): Promise<void> {
    if (this.#process && !hasEnded(this.#process)) return;
    // one that was killed has left it
    await rm(this.#socket, { force: true });
    const argv = [join(inject("programs"), "wire-program.mjs"), this.#host.netns, this.#socket];
    this.#process = this.#host.spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
    await until("the plugin listens", () => accepts(this.#socket));
  }

  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (!running || hasEnded(running)) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** A socket's file is there before anybody listens. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
