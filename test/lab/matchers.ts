// Matchers for lab hosts. Import for the effect: `import "../matchers.ts"`.

import { expect } from "vitest";
import type { AskOptions, LabHost } from "./lab.ts";

export interface ReachOptions extends AskOptions {
  /** What the answer must contain, e.g. the address that the server saw. */
  readonly answer?: string;
}

declare module "vitest" {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /** A lab host gets an answer from `address:port`; waits for it, or, with `not`, for a timeout of its absence. */
    toReach(target: string, options?: ReachOptions): Promise<void>;
  }
}

/** Spent only where something is wrong, or the machine busy. */
const patienceMs = 20_000;
/** How long nothing must answer for a target to count as out of reach. */
const silenceMs = 400;

expect.extend({
  async toReach(host: LabHost, target: string, options: ReachOptions = {}) {
    const outcome = this.isNot
      ? await attempt(host, target, { timeoutMs: silenceMs, ...options })
      : await insist(host, target, options);
    const isReached = outcome.answer?.includes(options.answer ?? "") ?? false;
    return {
      pass: isReached,
      message: () =>
        `${host.name} ${this.isNot ? "reaches" : "cannot reach"} ${options.protocol ?? "tcp"} ${target}: ` +
        (outcome.answer ?? outcome.error ?? ""),
    };
  },
});

interface Outcome {
  readonly answer?: string;
  readonly error?: string;
}

async function attempt(host: LabHost, target: string, options: ReachOptions): Promise<Outcome> {
  try {
    return { answer: await host.ask(target, options) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** Again while the answer is not the wanted one: servers and rules may still be on their way. */
async function insist(host: LabHost, target: string, options: ReachOptions): Promise<Outcome> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const outcome = await attempt(host, target, { timeoutMs: 500, ...options });
    const isWanted = outcome.answer?.includes(options.answer ?? "") ?? false;
    if (isWanted || Date.now() > deadline) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
