// The iptables back end: all rules are rendered anew for every change, and what differs goes through iptables-restore,
// one transaction for each table that changed.

import {
  type IptablesTarget,
  type IptablesVariant,
  restoreRules,
  saveRules,
} from "../../kernel/iptables/index.ts";
import type { Family } from "../../netip/index.ts";
import type { Backend } from "../backend.ts";
import { callBridgeNetfilter } from "../bridge-netfilter.ts";
import type { RuleChange } from "../ledger.ts";
import type { Rule } from "../rules.ts";
import { type RuleSet, renderRules } from "./render.ts";
import {
  assertNotForeign,
  changeLines,
  fillLines,
  hooksOf,
  isAsMade,
  parseSaved,
  removeLines,
  resetLines,
  type SavedTables,
  tablesOf,
} from "./tables.ts";

export interface IptablesOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns?: string | undefined;
  readonly ipv6: boolean;
  readonly loopbackNat: boolean;
  readonly variant: IptablesVariant;
}

/** Makes nothing in the kernel yet. */
export function iptablesBackend(options: IptablesOptions): Backend {
  return new IptablesBackend(options);
}

class IptablesBackend implements Backend {
  readonly name = "iptables";
  readonly #options: IptablesOptions;
  readonly #families: readonly Family[];
  /** What the kernel has. */
  readonly #made = new Map<Family, RuleSet>();

  constructor(options: IptablesOptions) {
    this.#options = options;
    this.#families = options.ipv6 ? [4, 6] : [4];
  }

  async reset(rules: readonly Rule[]): Promise<void> {
    await this.#prepareBridges(rules);
    await Promise.all(
      this.#families.map(async (family) => {
        const wanted = renderRules(rules, family);
        const saved = await this.#saved(family);
        for (const [name, table] of tablesOf(wanted)) assertNotForeign(name, saved.get(name), table);
        const lines = tablesOf(wanted).flatMap(([name, table]) =>
          resetLines(name, table, this.#hooks(name, family), saved.get(name)),
        );
        await this.#restore(family, lines);
        this.#made.set(family, wanted);
      }),
    );
  }

  async apply(change: RuleChange, all: () => readonly Rule[]): Promise<void> {
    await this.#prepareBridges(change.added);
    const rules = all();
    const done: { family: Family; before: RuleSet }[] = [];
    try {
      for (const family of this.#families) {
        const before = this.#made.get(family);
        const wanted = renderRules(rules, family);
        if (!before) continue;
        done.push({ family, before });
        await this.#restore(family, differingLines(before, wanted));
        this.#made.set(family, wanted);
      }
    } catch (error) {
      // a family, or a table of it, may be done already: back to what was
      for (const { family, before } of done) {
        await this.#restore(
          family,
          tablesOf(before).flatMap(([name, table]) => fillLines(name, table)),
        );
        this.#made.set(family, before);
      }
      throw error;
    }
  }

  async isIntact(): Promise<boolean> {
    for (const [family, made] of this.#made) {
      const saved = await this.#saved(family);
      const isWhole = tablesOf(made).every(([name, table]) =>
        isAsMade(table, this.#hooks(name, family), saved.get(name)),
      );
      if (!isWhole) return false;
    }
    return true;
  }

  async remove(): Promise<void> {
    for (const family of [4, 6] as const) {
      const saved = await this.#saved(family);
      const lines = tablesOf(renderRules([], family)).flatMap(([name, table]) =>
        removeLines(name, table, this.#hooks(name, family), saved.get(name)),
      );
      await this.#restore(family, lines);
    }
    this.#made.clear();
  }

  async close(): Promise<void> {}

  async #saved(family: Family): Promise<SavedTables> {
    return parseSaved(await saveRules(this.#target(family)));
  }

  async #restore(family: Family, lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await restoreRules(this.#target(family), `${lines.join("\n")}\n`);
  }

  async #prepareBridges(rules: readonly Rule[]): Promise<void> {
    if (!rules.some((rule) => rule.kind === "bridge" && !rule.icc)) return;
    for (const family of this.#families) await callBridgeNetfilter(family, this.#options.netns);
  }

  #hooks(name: Parameters<typeof hooksOf>[0], family: Family) {
    return hooksOf(name, family, this.#options.loopbackNat);
  }

  #target(family: Family): IptablesTarget {
    return { family, variant: this.#options.variant, netns: this.#options.netns };
  }
}

function differingLines(before: RuleSet, wanted: RuleSet): string[] {
  return tablesOf(wanted).flatMap(([name, table]) => changeLines(name, before[name], table));
}
