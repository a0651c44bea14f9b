// Who wants which rules: owners, their rules by key, and who holds a key. Pure bookkeeping, no kernel.

import { portRangeSize } from "../netip/index.ts";
import { conflict, invalid } from "../util/errors.ts";
import { publishedAt, ruleKey, ruleText } from "./key.ts";
import type { Rule, RuleKey } from "./rules.ts";

/** What a back end has to do: rules that go and rules that come; a changed rule is in both. */
export interface RuleChange {
  readonly removed: readonly Rule[];
  readonly added: readonly Rule[];
}

interface Held {
  readonly owner: string;
  readonly rule: Rule;
  readonly text: string;
}

/** Rules that were touched, as they were before: undefined for those that did not exist. */
export type Before = Map<RuleKey, Rule | undefined>;

/** All owners' wishes. */
export class Ledger {
  readonly #held = new Map<RuleKey, Held>();
  readonly #keys = new Map<string, ReadonlySet<RuleKey>>();

  /**
   * Makes `rules` the owner's whole wish and notes in `before` what it touches. Throws (conflict, invalid) before
   * anything has changed. Answers with the way back.
   */
  set(owner: string, rules: readonly Rule[], before: Before): () => void {
    const wanted = this.#admit(owner, rules);
    const old = this.#keys.get(owner) ?? new Set();
    const touched = new Map<RuleKey, Held | undefined>();
    for (const key of old) if (!wanted.has(key)) this.#put(key, undefined, touched);
    for (const [key, held] of wanted)
      if (this.#held.get(key)?.text !== held.text) this.#put(key, held, touched);
    for (const [key, held] of touched) if (!before.has(key)) before.set(key, held?.rule);
    this.#setKeys(owner, new Set(wanted.keys()));
    return () => {
      for (const [key, held] of touched) this.#put(key, held, new Map());
      this.#setKeys(owner, old);
    };
  }

  /** What has changed since `before` was noted. */
  changeSince(before: Before): RuleChange {
    const removed: Rule[] = [];
    const added: Rule[] = [];
    for (const [key, was] of before) {
      const is = this.#held.get(key)?.rule;
      if (was && is && ruleText(was) === ruleText(is)) continue;
      if (was) removed.push(was);
      if (is) added.push(is);
    }
    return { removed, added };
  }

  /**
   * Every rule there is, by key: in the same order whichever came first. After a start networks come side by side, and a
   * back end whose kernel keeps rules in a row has nothing to write.
   */
  rules(): Rule[] {
    const held = [...this.#held].toSorted(([one], [other]) => (one < other ? -1 : 1));
    return held.map(([, { rule }]) => rule);
  }

  /** One owner's rules, in the order in which they came. */
  rulesOf(owner: string): Rule[] {
    const keys = this.#keys.get(owner) ?? new Set<RuleKey>();
    return [...keys].flatMap((key) => this.#held.get(key)?.rule ?? []);
  }

  #admit(owner: string, rules: readonly Rule[]): Map<RuleKey, Held> {
    const wanted = new Map<RuleKey, Held>();
    for (const rule of rules) {
      checkRule(rule);
      const key = ruleKey(rule);
      const holder = this.#held.get(key)?.owner;
      if (holder !== undefined && holder !== owner)
        throw conflict(`set firewall rules of ${owner}: ${key} is already held by ${holder}`);
      const held = { owner, rule, text: ruleText(rule) };
      const twin = wanted.get(key);
      if (twin && twin.text !== held.text)
        throw invalid(`set firewall rules of ${owner}: ${key} is given twice`);
      wanted.set(key, held);
    }
    return wanted;
  }

  #put(key: RuleKey, held: Held | undefined, touched: Map<RuleKey, Held | undefined>): void {
    touched.set(key, this.#held.get(key));
    if (held) this.#held.set(key, held);
    else this.#held.delete(key);
  }

  #setKeys(owner: string, keys: ReadonlySet<RuleKey>): void {
    if (keys.size > 0) this.#keys.set(owner, keys);
    else this.#keys.delete(owner);
  }
}

/** @throws invalid for a rule that no back end could mean anything by */
function checkRule(rule: Rule): void {
  if (rule.kind !== "publish") return;
  if (portRangeSize(rule.hostPorts) !== portRangeSize(rule.targetPorts))
    throw invalid(`publish ${publishedAt(rule)}: host and container port ranges differ in size`);
  if (rule.hostAddress && rule.hostAddress.family !== rule.target.family)
    throw invalid(`publish ${publishedAt(rule)}: host and container address differ in family`);
}
