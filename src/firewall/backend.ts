// What turns rules into kernel state. One transaction at a time: the firewall never overlaps two calls.

import type { RuleChange } from "./ledger.ts";
import type { Firewall, Rule } from "./rules.ts";

export interface Backend {
  readonly name: Firewall["backend"];
  /**
   * Brings the kernel to these rules, from whatever of ours is there, by what differs: nothing when it has them all.
   * Nothing foreign is touched. Resolves with whether something had to change.
   */
  restore(rules: readonly Rule[]): Promise<boolean>;
  /** Applies a change, all of it or nothing. `all` gives every rule that is to exist afterwards. */
  apply(change: RuleChange, all: () => readonly Rule[]): Promise<void>;
  /**
   * Calls `changed` when somebody else may have touched what is ours, until it is disposed. Resolves with undefined when
   * nobody else can, or nobody would tell.
   */
  watch(changed: () => void): Promise<Disposable | undefined>;
  /** Removes everything of ours, also what an earlier process left. May be called twice. */
  remove(): Promise<void>;
  close(): Promise<void>;
}
