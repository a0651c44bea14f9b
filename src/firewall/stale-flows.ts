// Connections that a change of rules leaves behind: when a mapping goes, the kernel still translates the flows it has
// tracked; when one comes, a sender of datagrams who was there before goes on reaching the host itself; when a container
// goes, its flows would reach the next one with its address. They end with the change, and only those.

import { type Conntrack, type Netlink, openConntrack, openNetlink } from "../kernel/index.ts";
import type { RuleChange } from "./ledger.ts";
import type { Rule } from "./rules.ts";
import { mergeChanges, upheavalOf, type Walk, walksAfterRepair, walksFor } from "./staleness.ts";

/** Forgets tracked connections in one netns. */
export interface StaleFlows {
  /**
   * Deletes the connections that a change of rules has made wrong. Changes that come while it looks for them are met by
   * one more look.
   */
  forget(change: RuleChange): Promise<void>;
  /** The same for what began while these rules, all that there are, had been taken away. */
  forgetGap(rules: readonly Rule[]): Promise<void>;
  /** When all that was asked for is done. */
  close(): Promise<void>;
}

/** Opens its sockets at the first change that needs them and keeps them. */
export function staleFlowsIn(netns: string | undefined): StaleFlows {
  return new Forgetter(netns);
}

class Forgetter implements StaleFlows {
  readonly #netns: string | undefined;
  #opening: Promise<{ conntrack: Conntrack; netlink: Netlink }> | undefined;
  #pending: RuleChange | undefined;
  #next: Promise<void> | undefined;
  #work: Promise<unknown> = Promise.resolve();

  constructor(netns: string | undefined) {
    this.#netns = netns;
  }

  forget(change: RuleChange): Promise<void> {
    if (!upheavalOf(change) && !this.#pending) return Promise.resolve();
    this.#pending = mergeChanges(this.#pending, change);
    this.#next ??= this.#queue(() => this.#forgetPending());
    return this.#next;
  }

  forgetGap(rules: readonly Rule[]): Promise<void> {
    return this.#queue(async () => this.#walk(walksAfterRepair(rules, await this.#local())));
  }

  async close(): Promise<void> {
    await this.#work;
    const opened = await this.#opening?.catch(() => undefined);
    await Promise.all([opened?.conntrack.close(), opened?.netlink.close()]);
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(work);
    this.#work = mine.catch(() => undefined);
    return mine;
  }

  async #forgetPending(): Promise<void> {
    const upheaval = this.#pending && upheavalOf(this.#pending);
    this.#pending = undefined;
    this.#next = undefined;
    if (!upheaval) return;
    const local = upheaval.come.length > 0 ? await this.#local() : [];
    await this.#walk(walksFor(upheaval, local));
  }

  async #walk(walks: readonly Walk[]): Promise<void> {
    if (walks.length === 0) return;
    const { conntrack } = await this.#open();
    await conntrack.deleteAny(walks);
  }

  async #local() {
    const { netlink } = await this.#open();
    return (await netlink.addresses()).map(({ prefix }) => prefix.address);
  }

  #open() {
    this.#opening ??= (async () => {
      const [conntrack, netlink] = await Promise.all([openConntrack(this.#netns), openNetlink(this.#netns)]);
      return { conntrack, netlink };
    })();
    return this.#opening;
  }
}
