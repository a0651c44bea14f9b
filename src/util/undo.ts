// An undo stack: whoever makes state says in the next line how it goes away.
//
//   await using undo = new Undo(log);
//   const link = await netlink.createVeth(spec);
//   undo.defer("delete veth", () => netlink.deleteLink(link.index));
//   return undo.move();
//
// Leaving the scope without move() runs the steps in reverse order.

import { errorMessage } from "./errors.ts";
import { type Log, silentLog } from "./log.ts";

interface Step {
  readonly label: string;
  readonly run: () => unknown;
}

/** Steps that take state away again, last one first. A failing step is logged and never hides the error that led here. */
export class Undo implements AsyncDisposable {
  readonly #log: Log;
  #steps: Step[] = [];
  #running: Promise<void> | undefined;

  constructor(log: Log = silentLog) {
    this.#log = log;
  }

  /** Adds a step. Steps must be safe to run when what they remove is already gone. */
  defer(label: string, run: () => unknown): void {
    this.#steps.push({ label, run });
  }

  /** Hands the steps to a new owner; this stack is empty afterwards. */
  move(): Undo {
    const owned = new Undo(this.#log);
    owned.#steps = this.#steps;
    this.#steps = [];
    return owned;
  }

  /** Takes another stack's steps over; they run before the ones already here. */
  adopt(other: Undo): void {
    this.#steps.push(...other.#steps);
    other.#steps = [];
  }

  /** Forgets every step without running it. */
  forget(): void {
    this.#steps = [];
  }

  /** Runs the steps in reverse. Safe to call twice: the second call waits for the first. */
  async dispose(): Promise<void> {
    while (this.#running) await this.#running;
    if (this.#steps.length === 0) return;
    this.#running = this.#unwind();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #unwind(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.run();
      } catch (error) {
        this.#log.warn({ step: step.label, reason: errorMessage(error) }, "undo step failed");
      }
    }
  }
}
