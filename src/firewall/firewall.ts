// The firewall: keeps the ledger, gathers calls into transactions, hands them to its back end.

import { errorMessage, hasCode } from "../util/errors.ts";
import { type Log, silentLog } from "../util/log.ts";
import type { Backend } from "./backend.ts";
import { type Before, Ledger, type RuleChange } from "./ledger.ts";
import type { Firewall, Rule } from "./rules.ts";
import type { StaleFlows } from "./stale-flows.ts";
import { ruleWords } from "./words.ts";

/** A firewall that the daemon owns. */
export interface OwnedFirewall extends Firewall {
  /**
   * Brings the kernel to what is wanted, from whatever an earlier process left, by what differs and in one transaction;
   * until then `set` only collects. From then on what somebody else changes of it is repaired, where the kernel tells.
   */
  start(): Promise<void>;
  /** Puts right what is not what it should be, after somebody's flush; true when it had to. */
  resync(): Promise<boolean>;
  /** Removes everything of ours from the kernel and closes. */
  stop(): Promise<void>;
  /** Closes and leaves the kernel as it is. */
  close(): Promise<void>;
}

interface Wish {
  readonly owner: string;
  readonly rules: readonly Rule[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a firewall has besides its back end. */
export interface Surroundings {
  readonly log?: Log;
  readonly staleFlows?: StaleFlows;
  /** Called when somebody else's change was found and undone. */
  readonly onRepaired?: () => void;
}

/** A firewall over a back end. */
export function firewallOn(backend: Backend, surroundings: Surroundings = {}): OwnedFirewall {
  return new GroupCommit(backend, surroundings);
}

class GroupCommit implements OwnedFirewall {
  readonly #backend: Backend;
  readonly #log: Log;
  readonly #staleFlows: StaleFlows | undefined;
  readonly #onRepaired: () => void;
  readonly #ledger = new Ledger();
  #state: "collecting" | "running" | "closed" = "collecting";
  #wishes: Wish[] = [];
  #watch: Disposable | undefined;
  #isResyncAsked = false;
  /** The end of the work under way; transactions, start, resync and stop never overlap. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend, { log = silentLog, staleFlows, onRepaired = () => undefined }: Surroundings) {
    this.#backend = backend;
    this.#log = log;
    this.#staleFlows = staleFlows;
    this.#onRepaired = onRepaired;
  }

  get backend(): Firewall["backend"] {
    return this.#backend.name;
  }

  set(owner: string, rules: readonly Rule[]): Promise<void> {
    if (this.#state === "closed")
      return Promise.reject(new Error("set firewall rules: the firewall is closed"));
    return new Promise((resolve, reject) => {
      this.#wishes.push({ owner, rules, resolve, reject });
      if (this.#wishes.length === 1) void this.#queue(() => this.#grant());
    });
  }

  describe(owner: string): readonly string[] {
    return this.#ledger.rulesOf(owner).map(ruleWords);
  }

  start(): Promise<void> {
    return this.#queue(async () => {
      this.#watch ??= await this.#backend.watch(() => this.#repair());
      await this.#backend.restore(this.#ledger.rules());
      this.#state = "running";
    });
  }

  resync(): Promise<boolean> {
    return this.#queue(async () => {
      this.#isResyncAsked = false;
      if (this.#state !== "running") return false;
      const hasChanged = await this.#backend.restore(this.#ledger.rules());
      if (!hasChanged) return false;
      this.#log.warn(
        { backend: this.backend },
        "firewall rules were changed by somebody else: repaired them",
      );
      this.#onRepaired();
      this.#forget(this.#staleFlows?.forgetGap(this.#ledger.rules()));
      return true;
    });
  }

  stop(): Promise<void> {
    return this.#end(() => this.#backend.remove());
  }

  close(): Promise<void> {
    return this.#end(async () => undefined);
  }

  #end(before: () => Promise<void>): Promise<void> {
    return this.#queue(async () => {
      if (this.#state === "closed") return;
      this.#state = "closed";
      this.#watch?.[Symbol.dispose]();
      try {
        await before();
      } finally {
        await Promise.all([this.#backend.close(), this.#staleFlows?.close()]);
      }
    });
  }

  /** Changes that come while a repair waits for its turn are met by that one. */
  #repair(): void {
    if (this.#isResyncAsked) return;
    this.#isResyncAsked = true;
    this.resync().catch((error) => {
      this.#log.error({ reason: errorMessage(error) }, "firewall rules could not be repaired");
    });
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#work.then(work);
    this.#work = mine.catch(() => undefined);
    return mine;
  }

  /** Everything that has been asked for by now, in one transaction. */
  async #grant(): Promise<void> {
    const wishes = this.#wishes;
    this.#wishes = [];
    await this.#transact(wishes);
  }

  /** When the kernel refuses a transaction of several wishes each is tried alone, so that only the bad one fails. */
  async #transact(wishes: readonly Wish[]): Promise<void> {
    const before: Before = new Map();
    const granted: { wish: Wish; undo: () => void }[] = [];
    for (const wish of wishes) {
      try {
        granted.push({ wish, undo: this.#ledger.set(wish.owner, wish.rules, before) });
      } catch (error) {
        wish.reject(error);
      }
    }
    try {
      await this.#apply(before);
    } catch (error) {
      for (const { undo } of granted.toReversed()) undo();
      if (granted.length === 1) granted[0]?.wish.reject(error);
      else for (const { wish } of granted) await this.#transact([wish]);
      return;
    }
    for (const { wish } of granted) wish.resolve();
  }

  async #apply(before: Before): Promise<void> {
    if (this.#state === "closed") throw new Error("set firewall rules: the firewall is closed");
    if (this.#state === "collecting") return;
    const change = this.#ledger.changeSince(before);
    if (change.removed.length + change.added.length === 0) return;
    this.#log.debug({ removed: change.removed.length, added: change.added.length }, "change firewall rules");
    await this.#change(change);
    this.#forget(this.#staleFlows?.forget(change));
  }

  /** A change of something that somebody else has just taken away meets the repair half-way: all of it, then. */
  async #change(change: RuleChange): Promise<void> {
    try {
      await this.#backend.apply(change, () => this.#ledger.rules());
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      await this.#backend.restore(this.#ledger.rules());
    }
  }

  /** The rules are in force: a connection that stays tracked is no reason to wait, or to take them back. */
  #forget(forgetting: Promise<void> | undefined): void {
    forgetting?.catch((error) => {
      this.#log.warn({ reason: errorMessage(error) }, "cannot forget connections of changed rules");
    });
  }
}
