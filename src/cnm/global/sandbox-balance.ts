// What one sandbox is told of the services on its networks: said when it differs from what it was told before, the
// latest only.

import { formatAddress } from "../../netip/index.ts";
import type { Balanced, Netns } from "../netns.ts";

const nothing = "";

/** Owned by its sandbox. */
export class SandboxBalance {
  readonly #netns: Netns;
  /** As text; undefined: not known, as after a start. */
  #shown: string | undefined = nothing;
  #wanted: readonly Balanced[] = [];
  #running: Promise<void> | undefined;
  #hasEnded = false;

  constructor(netns: Netns) {
    this.#netns = netns;
  }

  /** Something may be there of an earlier life of the daemon. */
  adopt(): void {
    this.#shown = undefined;
  }

  /** Resolves when the sandbox has this, or something later. */
  async set(wanted: readonly Balanced[]): Promise<void> {
    this.#wanted = wanted;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  end(): void {
    this.#hasEnded = true;
  }

  async #run(): Promise<void> {
    for (
      let text = textOf(this.#wanted);
      text !== this.#shown && !this.#hasEnded;
      text = textOf(this.#wanted)
    ) {
      const wanted = this.#wanted;
      // until it has answered nobody knows what is there
      this.#shown = undefined;
      try {
        await this.#netns.setBalance(wanted.length > 0 ? wanted : undefined);
      } catch (error) {
        // the namespace goes with its sandbox
        if (this.#hasEnded) return;
        throw error;
      }
      this.#shown = text;
    }
  }
}

function textOf(services: readonly Balanced[]): string {
  return services.map(({ vip, backends }) => [vip, ...backends].map(formatAddress).join(" ")).join("\n");
}
