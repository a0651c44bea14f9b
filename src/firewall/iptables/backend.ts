// The iptables back end: all rules are rendered anew for every change, and what differs goes through iptables-restore,
// one transaction for each table that changed.

import {
  type IptablesTarget,
  type IptablesVariant,
  legacyIptablesTables,
  restoreRules,
  saveRules,
  watchIptablesLock,
} from "../../kernel/iptables/index.ts";
import { type Table, watchNftables } from "../../kernel/nftables/index.ts";
import type { Family } from "../../netip/index.ts";
import { hasCode } from "../../util/errors.ts";
import type { Backend } from "../backend.ts";
import type { RuleChange } from "../ledger.ts";
import type { AcceptMark, Rule } from "../rules.ts";
import { removeEmptyTables } from "./empty-tables.ts";
import { type RuleSet, renderRules } from "./render.ts";
import {
  assertNotForeign,
  changeLines,
  fillLines,
  hooksOf,
  notesOn,
  parseSaved,
  removeLines,
  restoreLines,
  type SavedTables,
  tablesOf,
  wasMadeByUs,
} from "./tables.ts";

export interface IptablesOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns: string | undefined;
  readonly ipv6: boolean;
  readonly loopbackNat: boolean;
  readonly variant: IptablesVariant;
  readonly acceptMark?: AcceptMark | undefined;
  /** A fence behind asks who let a packet through. */
  readonly isFenced?: boolean;
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
  /** What was done about tables and the user's chain: others' flushes may take the chains that say so. */
  readonly #notes = new Map<string, readonly string[]>();
  /** Processes of ours whose changes we may still be told of. */
  readonly #ours = new Set<number>();
  /** Of iptables-legacy nobody tells what was changed: each change of ours looks at everything. */
  #isUntold = false;

  constructor(options: IptablesOptions) {
    this.#options = options;
    this.#families = options.ipv6 ? [4, 6] : [4];
  }

  async restore(rules: readonly Rule[]): Promise<boolean> {
    // later the policy is what somebody else has made it
    if (this.#made.size === 0) await this.#closeForward(rules);
    const changes = await Promise.all(this.#families.map((family) => this.#restoreFamily(family, rules)));
    const { variant, netns } = this.#options;
    this.#isUntold = variant === "legacy" || (variant === "default" && (await hasLegacyTables(netns)));
    return changes.includes(true);
  }

  async apply(change: RuleChange, all: () => readonly Rule[]): Promise<void> {
    const rules = all();
    await this.#closeForward(change.added);
    if (this.#isUntold) {
      for (const family of this.#families) await this.#restoreFamily(family, rules);
      return;
    }
    const done: { family: Family; before: RuleSet }[] = [];
    try {
      for (const family of this.#families) {
        const before = this.#made.get(family);
        const wanted = renderRules(rules, family, this.#options);
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

  async watch(changed: () => void): Promise<Disposable | undefined> {
    const watches = [await this.#watchNftables(changed), this.#watchLegacy(changed)];
    return {
      [Symbol.dispose]: () => {
        for (const watch of watches) watch?.[Symbol.dispose]();
      },
    };
  }

  /** iptables-nft is nftables underneath, which tells. */
  async #watchNftables(changed: () => void): Promise<Disposable | undefined> {
    try {
      return await watchNftables(this.#options.netns, (event) => {
        if (event.kind === "lost") return changed();
        if (event.tables.some(isOfIptables) && !this.#ours.has(event.processId)) changed();
      });
    } catch (error) {
      if (hasCode(error, "EPROTONOSUPPORT", "ENOENT", "EINVAL")) return undefined; // no nftables in this kernel
      throw error;
    }
  }

  /**
   * That somebody was there is all that is to be known, so ours are looked at too: reading them takes no lock, so that is
   * once for each change.
   */
  #watchLegacy(changed: () => void): Disposable | undefined {
    if (this.#options.variant === "nft") return undefined;
    let timer: NodeJS.Timeout | undefined;
    const later = () => {
      timer = undefined;
      changed();
    };
    try {
      const lock = watchIptablesLock(() => {
        if (this.#isUntold) timer ??= setTimeout(later, companyMs);
      });
      return {
        [Symbol.dispose]: () => {
          lock[Symbol.dispose]();
          clearTimeout(timer);
        },
      };
    } catch (error) {
      if (hasCode(error, "EROFS", "ENOENT", "EACCES", "EMFILE", "ENOSPC")) return undefined; // then nobody tells
      throw error;
    }
  }

  async remove(): Promise<void> {
    for (const family of [4, 6] as const) {
      const saved = await this.#saved(family);
      const lines = tablesOf(renderRules([], family)).flatMap(([name, table]) =>
        removeLines(
          name,
          table,
          hooksOf(name, family, { ...this.#options, isFenced: true }),
          saved.get(name),
        ),
      );
      await this.#restore(family, lines);
      if (!this.#isLegacy()) await removeEmptyTables(tablesWithUs(family, saved), this.#options.netns);
    }
    this.#made.clear();
    this.#notes.clear();
  }

  async close(): Promise<void> {}

  /** By what differs; when it is the first time ours also go before what others have put in front of them. */
  async #restoreFamily(family: Family, rules: readonly Rule[]): Promise<boolean> {
    const wanted = renderRules(rules, family, this.#options);
    const saved = await this.#saved(family);
    const isFirst = !this.#made.has(family);
    const lines = tablesOf(wanted).flatMap(([name, table]) => {
      if (isFirst) assertNotForeign(name, saved.get(name), table);
      const hooks = this.#hooks(name, family);
      const notes = this.#notes.get(`${family} ${name}`) ?? notesOn(name, saved.get(name));
      this.#notes.set(`${family} ${name}`, notes);
      return restoreLines({ name, rules: table, hooks, notes, isFirst }, saved.get(name));
    });
    await this.#restore(family, lines);
    this.#made.set(family, wanted);
    return lines.length > 0;
  }

  async #saved(family: Family): Promise<SavedTables> {
    return parseSaved(await saveRules(this.#target(family)));
  }

  async #restore(family: Family, lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await restoreRules(this.#target(family), `${lines.join("\n")}\n`, (processId) => {
      this.#ours.add(processId);
      const [oldest] = this.#ours;
      if (this.#ours.size > mostRemembered && oldest !== undefined) this.#ours.delete(oldest);
    });
  }

  #isLegacy(): boolean {
    return this.#options.variant === "legacy" || this.#isUntold;
  }

  async #closeForward(rules: readonly Rule[]): Promise<void> {
    const families = rules.filter((rule) => rule.kind === "forwarding").map(({ family }) => family);
    for (const family of this.#families.filter((each) => families.includes(each)))
      await this.#restore(family, ["*filter", ":FORWARD DROP [0:0]", "COMMIT"]);
  }

  #hooks(name: Parameters<typeof hooksOf>[0], family: Family) {
    return hooksOf(name, family, this.#options);
  }

  #target(family: Family): IptablesTarget {
    return { family, variant: this.#options.variant, netns: this.#options.netns };
  }
}

function tablesWithUs(family: Family, saved: SavedTables): Table[] {
  return tablesOf(renderRules([], family))
    .filter(([name]) => wasMadeByUs(saved.get(name)))
    .map(([name]) => ({ family: family === 4 ? "ip" : "ip6", name }));
}

// a script's commands and both families come together
const companyMs = 20;

// process ids are used again, but not that soon
const mostRemembered = 16;

function isOfIptables({ family, name }: Table): boolean {
  return (family === "ip" || family === "ip6") && ["filter", "nat", "raw"].includes(name);
}

async function hasLegacyTables(netns: string | undefined): Promise<boolean> {
  return (await legacyIptablesTables(netns)).length > 0;
}

function differingLines(before: RuleSet, wanted: RuleSet): string[] {
  return tablesOf(wanted).flatMap(([name, table]) => changeLines(name, before[name], table));
}
