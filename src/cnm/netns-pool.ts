// Namespaces made ahead: a start takes one that is ready, and another is made while it goes on. Used ones come back here
// to be removed.

import { join } from "node:path";
import { newId, shortId } from "../util/ids.ts";
import type { Background } from "./background.ts";
import type { Netns, NetnsMaker } from "./netns.ts";

/** A namespace and the id of the sandbox that it is for; its path ends in the short id. */
export interface ReadyNetns {
  readonly id: string;
  readonly netns: Netns;
}

/** Docker's settings for a container with a netns of its own: ping and ports below 1024 need no privilege. */
const ownSysctls = {
  "net.ipv4.ip_unprivileged_port_start": "0",
  "net.ipv4.ping_group_range": "0 2147483647",
} as const;

/** Owns those that nobody took yet. A crash leaves pins that the next start's sweep removes. */
export class NetnsPool {
  readonly #maker: NetnsMaker;
  readonly #folder: string;
  readonly #size: number;
  readonly #background: Background;
  readonly #ready: ReadyNetns[] = [];
  /** Used, and could not be removed. */
  readonly #left = new Set<Netns>();
  #isClosed = false;

  constructor(options: {
    readonly maker: NetnsMaker;
    readonly folder: string;
    readonly size: number;
    readonly background: Background;
  }) {
    this.#maker = options.maker;
    this.#folder = options.folder;
    this.#size = options.size;
    this.#background = options.background;
  }

  /** One that is ready, or a new one; it is the caller's now. */
  async take(): Promise<ReadyNetns> {
    const taken = this.#ready.pop() ?? (await this.#make());
    this.fill();
    this.#removeLeft();
    return taken;
  }

  /** Makes what is missing, behind whatever runs. */
  fill(): void {
    if (this.#ready.length >= this.#size || this.#isClosed) return;
    this.#background.run("make namespace", async () => {
      const made = await this.#make();
      if (this.#isClosed || this.#ready.length >= this.#size) return await made.netns.remove();
      this.#ready.push(made);
      this.fill();
    });
  }

  /** Removes one that was used. When that fails it is tried again when the next one is taken. */
  async remove(netns: Netns): Promise<void> {
    try {
      await netns.remove();
    } catch (error) {
      this.#left.add(netns);
      throw error;
    }
  }

  /** Removes what nobody took; what is under way is removed when it is made. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#removeLeft();
    await Promise.all(this.#ready.splice(0).map(({ netns }) => netns.remove()));
  }

  #removeLeft(): void {
    const left = [...this.#left];
    this.#left.clear();
    for (const netns of left) this.#background.run("remove namespace", () => this.remove(netns));
  }

  async #make(): Promise<ReadyNetns> {
    const id = newId();
    const netns = await this.#maker.create(join(this.#folder, shortId(id)));
    try {
      await netns.writeSysctls(ownSysctls);
      return { id, netns };
    } catch (error) {
      await netns.remove();
      throw error;
    }
  }
}
