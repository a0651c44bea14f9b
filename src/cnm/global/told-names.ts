// What the resolvers of this host were told of the cluster's names: of endpoints on other hosts, and of services. It
// outlives a cluster that goes and comes, as the resolvers do.

import type { ZoneRecord } from "../../dns/index.ts";
import type { Resolvers } from "../../proxy/index.ts";
import type { Background } from "../background.ts";

/** Kept by the controller. */
export class ToldNames {
  readonly #resolvers: Resolvers;
  readonly #background: Background;
  /** By id: from what each was made. */
  readonly #told = new Map<string, { readonly source: unknown; readonly networkId: string }>();

  constructor(resolvers: Resolvers, background: Background) {
    this.#resolvers = resolvers;
    this.#background = background;
  }

  /** A name that comes or changes; what was made from the same source is told once. Resolves when it is served. */
  async tell(id: string, source: unknown, record: ZoneRecord): Promise<void> {
    if (this.#told.get(id)?.source === source) return;
    this.#told.set(id, { source, networkId: record.networkId });
    try {
      await this.#resolvers.setRecord(id, record);
    } catch (error) {
      // not told after all: the next look does it again
      if (this.#told.get(id)?.source === source) this.#told.delete(id);
      throw error;
    }
  }

  /** Takes one back. Nobody waits for it. */
  withdraw(id: string): void {
    if (!this.#told.delete(id)) return;
    this.#background.run("withdraw a name of the cluster", () => this.#resolvers.setRecord(id, undefined));
  }

  /** Takes back all that were told of a network, or of any; but for those that are `kept`. */
  withdrawAll({
    networkId,
    kept,
  }: {
    readonly networkId?: string;
    readonly kept?: ReadonlySet<string>;
  } = {}): void {
    for (const [id, told] of [...this.#told])
      if ((networkId === undefined || told.networkId === networkId) && !kept?.has(id)) this.withdraw(id);
  }
}
