// The etcd that a host runs while it is a member of its cluster: the process, its data, and that nothing of both stays.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { unavailable } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { EtcdMember } from "../member/etcd.ts";
import type { EtcdSpec, EtcdStart } from "../member/etcd-arguments.ts";
import type { Credentials } from "../trust/index.ts";

export interface OwnEtcdOptions {
  /** `<data root>/cluster`. */
  readonly folder: string;
  /** The program; `etcd` unless given. */
  readonly binary?: string;
  /** The other members say that this one is none any more. */
  readonly removed: (message: string) => void;
  readonly log: Log;
}

/** Owns the process, which may be there or not. */
export class OwnEtcd {
  readonly #options: OwnEtcdOptions;
  #member: EtcdMember | undefined;

  constructor(options: OwnEtcdOptions) {
    this.#options = options;
  }

  /** The process id; 0 when none runs here. */
  get pid(): number {
    return this.#member?.pid ?? 0;
  }

  get dataFolder(): string {
    return join(this.#options.folder, "etcd");
  }

  /** @throws unavailable when etcd is not installed, a port is taken, or its data is gone */
  async start(spec: Omit<EtcdSpec, "dataFolder">, start: EtcdStart): Promise<void> {
    const { folder, binary, log, removed } = this.#options;
    const options = { spec: { ...spec, dataFolder: this.dataFolder }, folder, log };
    const member = await EtcdMember.start({ ...options, ...(binary && { binary }) }, start);
    member.onExit(({ kind, message }) => kind === "removed" && removed(message));
    this.#member = member;
  }

  /** Waits until it serves. @throws unavailable, also when none runs here: because of `trouble` */
  async untilHealthy(
    credentials: () => Credentials,
    {
      timeoutMs,
      trouble = "it does not run here",
    }: { readonly timeoutMs: number; readonly trouble?: string | undefined },
  ): Promise<void> {
    if (!this.#member) throw unavailable(`wait for etcd: ${trouble}`);
    await this.#member.untilHealthy(credentials(), timeoutMs);
  }

  /** While it is to end, it is no news when it does. */
  expectEnd(isExpected: boolean): void {
    this.#member?.expectEnd(isExpected);
  }

  /** It has `patienceMs` to put in order what it has. */
  async stop(options?: { readonly patienceMs: number }): Promise<void> {
    await this.#member?.stop(options);
    this.#member = undefined;
  }

  /** It runs on, for the next daemon. */
  release(): void {
    this.#member?.release();
    this.#member = undefined;
  }

  /** Of one that has ended. */
  async removeData(): Promise<void> {
    await rm(this.dataFolder, { recursive: true, force: true });
  }

  /** Its log too. */
  async removeAll(): Promise<void> {
    await this.removeData();
    for (const name of ["etcd.log", "etcd.log.1", "etcd.pid"])
      await rm(join(this.#options.folder, name), { force: true });
  }
}
