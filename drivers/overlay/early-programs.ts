// The short cut's programs once more, in front of traffic control (TCX): half of what a filter costs each packet. The kernel
// takes milliseconds to attach one, under its lock of all links, and so it waits until a link has been there for a while,
// and one goes after the other. The filters stay: one that cannot be attached costs time and nothing else. One of an earlier
// process that cannot be taken off is another matter, as it comes before all that is true now: it is tried again until it goes.

import type { DriverNetns, Host } from "../../src/driverapi/index.ts";
import { errorMessage, hasCode } from "../../src/util/errors.ts";

type Bpf = Host["link"]["bpf"];
export type Program = Pick<ReturnType<Bpf["BpfProgram"]["load"]>, "fd" | "id" | "name">;

/** What names of our programs begin with; the kernel's names have 15 characters. */
export const programMark = "tsdocker_";

/** When a link is taken for one that stays. */
const delayMs = 2_000;
/** Between two of them others get at the kernel's links. */
const gapMs = 250;

/** A kernel without TCX, one without bpf(2), a link that is gone. */
const nothingThere = ["EINVAL", "ENOSYS", "ENODEV"];

/** Those of one network. */
export class EarlyPrograms {
  readonly #host: Pick<Host, "link" | "log">;
  readonly #netns: Pick<DriverNetns, "path">;
  readonly #waiting = new Map<number, Program>();
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  /** Links that an earlier process's program may still be on, and what shall be there. */
  readonly #stale = new Map<number, Program | undefined>();
  /** The kernel has no TCX, or not for us. */
  #isLacking = false;
  #isClosed = false;

  constructor(host: Pick<Host, "link" | "log">, netns: Pick<DriverNetns, "path">) {
    this.#host = host;
    this.#netns = netns;
  }

  /** Some time from now. */
  later(link: number, program: Program): void {
    if (this.#isLacking || this.#isClosed) return;
    this.#waiting.set(link, program);
    this.#timer ??= this.#wait(delayMs);
  }

  /** The link goes. */
  forget(link: number): void {
    this.#waiting.delete(link);
    this.#stale.delete(link);
  }

  /** How many links have, for all that is known, a program of an earlier process. */
  get staleCount(): number {
    return this.#stale.size;
  }

  /** What an earlier process left on a link knows what was true then: it is replaced now, or goes where there is no program. */
  async replace(link: number, program: Program | undefined): Promise<void> {
    try {
      await this.#replace(link, program);
    } catch (error) {
      this.#stale.set(link, program);
      const fields = { link, reason: errorMessage(error) };
      this.#host.log.warn(fields, "an earlier daemon's short cut cannot be taken off an overlay's link yet");
    }
  }

  /** Where it failed it is tried again; answers how many were put right. */
  async replaceStale(): Promise<number> {
    let count = 0;
    for (const [link, program] of [...this.#stale])
      try {
        await this.#replace(link, program);
        this.#stale.delete(link);
        count++;
      } catch (error) {
        this.#host.log.debug({ link, reason: errorMessage(error) }, "an earlier daemon's short cut stays");
      }
    return count;
  }

  /** Resolves when none of the programs is about to be attached. What is there stays. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#work;
  }

  async #replace(link: number, program: Program | undefined): Promise<void> {
    const { unless, bpf } = this.#host.link;
    const of = { netns: this.#netns.path, link };
    const there = await unless(nothingThere, bpf.programsOn(of));
    if (!there || there.length === 0) return;
    const change = program ? bpf.attachEarly(of, program, programMark) : bpf.detachEarly(of, programMark);
    await unless(["ENODEV"], change);
  }

  #wait(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#work = this.#next();
    }, ms).unref();
  }

  async #next(): Promise<void> {
    this.#timer = undefined;
    const [first] = this.#waiting;
    if (!first) return;
    const [link, program] = first;
    this.#waiting.delete(link);
    await this.#attach({ netns: this.#netns.path, link }, program);
    if (this.#waiting.size > 0 && !this.#isClosed) this.#timer ??= this.#wait(gapMs);
  }

  async #attach(of: { readonly netns: string; readonly link: number }, program: Program): Promise<void> {
    try {
      await this.#host.link.bpf.attachEarly(of, program, programMark);
      this.#stale.delete(of.link);
    } catch (error) {
      if (hasCode(error, "EINVAL", "ENOSYS", "EPERM")) {
        this.#isLacking = true;
        this.#waiting.clear();
      }
      // a link that is gone needs none
      if (!hasCode(error, "ENODEV"))
        this.#host.log.debug({ reason: errorMessage(error) }, "an overlay's short cut stays behind filters");
    }
  }
}
