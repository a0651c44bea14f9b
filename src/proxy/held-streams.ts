// Reading ends of pipes that are held and never read. What a process wrote last stays in its pipe only as long as somebody
// has it open: so an output outlives its writer until there is a daemon again to read it.

import { constants, openSync } from "node:fs";
import { closeFd } from "../kernel/socket.ts";

/** Owns the descriptors, by key. */
export class HeldStreams {
  readonly #held = new Map<string, readonly number[]>();

  get size(): number {
    return this.#held.size;
  }

  /** Holds the pipes at these paths in place of those before; `[]` lets go. One that is not there cannot be held. */
  hold(key: string, paths: readonly string[]): void {
    const before = this.#held.get(key) ?? [];
    const fds = paths.flatMap(open);
    if (fds.length > 0) this.#held.set(key, fds);
    else this.#held.delete(key);
    // last: a pipe that nobody has open forgets what is in it
    for (const fd of before) closeFd(fd);
  }

  /** Lets go of all others. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of [...this.#held.keys()]) if (!keys.has(key)) this.hold(key, []);
  }

  close(): void {
    this.retain(new Set());
  }
}

function open(path: string): number[] {
  try {
    return [openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)];
  } catch {
    return []; // its process has ended, and nobody wants to know any more
  }
}
