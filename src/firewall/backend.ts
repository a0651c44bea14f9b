// What turns rules into kernel state. One transaction at a time: the firewall never overlaps two calls.

import type { RuleChange } from "./ledger.ts";
import type { Firewall, Rule } from "./rules.ts";

export interface Backend {
  readonly name: Firewall["backend"];
  /** Makes our kernel state from scratch, in place of whatever of ours is there. Nothing foreign is touched. */
  reset(rules: readonly Rule[]): Promise<void>;
  /** Applies a change, all of it or nothing. `all` gives every rule that is to exist afterwards. */
  apply(change: RuleChange, all: () => readonly Rule[]): Promise<void>;
  /** True while the kernel has what the last reset or apply made. */
  isIntact(): Promise<boolean>;
  /** Calls `changed` when somebody else has touched what is ours, until it is disposed. Absent: nobody would tell. */
  watch?(changed: () => void): Promise<Disposable>;
  /** Removes everything of ours, also what an earlier process left. May be called twice. */
  remove(): Promise<void>;
  close(): Promise<void>;
}
