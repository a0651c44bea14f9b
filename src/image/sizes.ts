// How large images are on disk: the sum of their unpacked layers. A snapshot never changes, so each is asked for once.

import { isNotFound, type Snapshots } from "../runtime/index.ts";

/** Asks containerd once per layer. A size that could not be read is asked for again. */
export class Sizes {
  readonly #snapshots: Snapshots;
  readonly #known = new Map<string, Promise<number>>();

  constructor(snapshots: Snapshots) {
    this.#snapshots = snapshots;
  }

  /** Bytes that one layer holds, without those below it. */
  layer(chainId: string): Promise<number> {
    const known = this.#known.get(chainId) ?? this.#ask(chainId);
    this.#known.set(chainId, known);
    return known;
  }

  /** Bytes of a whole stack of layers. */
  async chain(chainIds: readonly string[]): Promise<number> {
    const sizes = await Promise.all(chainIds.map((chainId) => this.layer(chainId)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async #ask(chainId: string): Promise<number> {
    try {
      return (await this.#snapshots.usage(chainId)).size;
    } catch (error) {
      this.#known.delete(chainId);
      // An image whose layer somebody else removed must not hide the others from a list.
      if (isNotFound(error)) return 0;
      throw error;
    }
  }
}
