// Network namespaces for the tests of this folder: made for one test, gone after it.

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { promisify } from "node:util";
import {
  createNetns,
  deleteNetns,
  deleteNetnsFolder,
  openNetlink,
  setLink,
} from "../../../src/kernel/index.ts";

const execute = promisify(execFile);
let count = 0;

/** Of the addon's pool. */
const mostThreads = 4;

/** Namespaces in a folder of their own, with lo up. */
export class Namespaces implements AsyncDisposable {
  readonly folder: string;
  readonly #paths: string[] = [];

  constructor() {
    this.folder = `/run/tsdocker-kernel-test-${process.pid}-${++count}`;
  }

  static async create(...names: readonly string[]): Promise<Namespaces> {
    const namespaces = new Namespaces();
    for (const name of names) await namespaces.add(name);
    return namespaces;
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  async add(name: string): Promise<string> {
    const path = this.path(name);
    await createNetns(path);
    this.#paths.push(path);
    await using netlink = await openNetlink(path);
    await netlink.send(setLink("lo", { up: true }));
    return path;
  }

  /** Runs a command in a namespace; rejects when it fails. */
  async run(name: string, command: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await execute("nsenter", [`--net=${this.path(name)}`, command, ...args]);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const path of this.#paths) await deleteNetns(path);
    await deleteNetnsFolder(this.folder);
  }
}

/** What this process has open, by number. */
export function openFds(): number {
  return readdirSync("/proc/self/fd").length;
}

/**
 * How many more descriptors are open after this work. What leaks leaves more each time; each of the addon's threads keeps
 * one from its first visit to a namespace on, whenever the machine lets it make that.
 */
export async function leakedFds(work: () => Promise<unknown>): Promise<number> {
  let leaked = 0;
  for (let span = 0; span <= mostThreads; span++) {
    const before = openFds();
    await work();
    leaked = openFds() - before;
    if (leaked === 0) return 0;
  }
  return leaked;
}
