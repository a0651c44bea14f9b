// The nftables back end: the layout once, then elements. Every change is one netlink transaction.

import type { Request } from "../../kernel/index.ts";
import {
  addElements,
  addTable,
  deleteElements,
  deleteTable,
  type Element,
  type Nftables,
  type Table,
  tableFlag,
  watchNftables,
} from "../../kernel/nftables/index.ts";
import type { Family } from "../../netip/index.ts";
import { conflict, hasCode, unavailable } from "../../util/errors.ts";
import type { Backend } from "../backend.ts";
import { callBridgeNetfilter } from "../bridge-netfilter.ts";
import { ruleKey } from "../key.ts";
import type { RuleChange } from "../ledger.ts";
import type { AcceptMark, Rule } from "../rules.ts";
import { hasBridgeFamily, withoutGuards } from "./bridging.ts";
import { differenceFrom, type WantedTable } from "./drift.ts";
import { type Entry, entriesOf } from "./entry.ts";
import { HeldEntries } from "./held-entries.ts";
import { bridgeLayout, hostInputLayout, mainLayout } from "./layout.ts";
import { isOurTable, isSameTable, removals } from "./our-tables.ts";
import { bridgeSets, bridgeTable, mainSets, mainTable } from "./sets.ts";

export interface NftablesOptions {
  /** Path of the netns; undefined = the process's own. */
  readonly netns: string | undefined;
  /** Rules for IPv6 too. */
  readonly ipv6: boolean;
  /** Translate connections of the host to 127.0.0.1 (needs route_localnet on the bridges). */
  readonly loopbackNat: boolean;
  /** The tables are this process's alone: nobody else can change, flush or delete them. See `canOwnTables`. */
  readonly owned: boolean;
  /**
   * `bridge`: only what concerns frames inside bridges, beside a back end that has no way to see them. `guards`: only rules
   * of that kind, on bridges whose ports are not kept apart. Default: all.
   */
  readonly scope?: "all" | "bridge" | "guards";
  /** The kernel is known to have tables of the bridge family: not asked again, which costs it some 15 ms. */
  readonly hasBridgeFamily?: boolean;
  readonly acceptMark?: AcceptMark | undefined;
}

const tables: Readonly<Record<Entry["table"], Table>> = { main: mainTable, bridge: bridgeTable };

/** The back end on a handle of its own, which it closes; see `probeNftables`. */
export function nftablesBackend(nftables: Nftables, options: NftablesOptions): Backend {
  return new NftablesBackend(nftables, options);
}

class NftablesBackend implements Backend {
  readonly name = "nftables";
  readonly #nftables: Nftables;
  readonly #families: readonly Family[];
  readonly #options: NftablesOptions;
  readonly #held = new HeldEntries();
  #hasBridgeFamily: boolean | undefined;
  #hasBridgeTable = false;
  #hasHostInput = false;
  /** Our tables were made or claimed through this handle. */
  #isOwner = false;

  constructor(nftables: Nftables, options: NftablesOptions) {
    this.#nftables = nftables;
    this.#families = options.ipv6 ? [4, 6] : [4];
    this.#options = options;
    this.#hasBridgeFamily = options.hasBridgeFamily;
  }

  async restore(rules: readonly Rule[]): Promise<boolean> {
    const entries = new Map<string, Entry>();
    for (const rule of rules) this.#enter(rule, entries);
    const wanted = await this.#within(entries.values());
    const hasChanged = await this.#bringTo(wanted);
    this.#held.replace(entries.values());
    return hasChanged;
  }

  async apply(change: RuleChange): Promise<void> {
    const next = new Map<string, Entry>();
    const gone = new Map<string, Entry>();
    for (const rule of change.removed) for (const entry of this.#entriesOf(rule)) gone.set(entry.id, entry);
    for (const rule of change.added) this.#enter(rule, next, gone);
    for (const [id, entry] of next)
      if (gone.get(id)?.value === entry.value) {
        gone.delete(id);
        next.delete(id);
      }
    await this.#commit(gone.values(), next.values());
  }

  async watch(changed: () => void): Promise<Disposable | undefined> {
    if (this.#options.owned) return undefined;
    return await watchNftables(this.#options.netns, (event) => {
      const isOurs = event.kind === "lost" || event.tables.some((table) => this.#isOurs(table));
      if (isOurs && !(event.kind === "changed" && event.byUs)) changed();
    });
  }

  async remove(): Promise<void> {
    await this.#nftables.commit(await removals(this.#nftables, (table) => this.#isOurs(table)));
    this.#held.replace([]);
    this.#hasBridgeTable = false;
    this.#hasHostInput = false;
  }

  close(): Promise<void> {
    return this.#nftables.close();
  }

  /** Compares and changes in one go: when somebody else's transaction comes in between it looks again. */
  async #bringTo(wanted: readonly Entry[]): Promise<boolean> {
    let isWholesale = false;
    for (let attempt = 1; ; attempt++) {
      const generation = await this.#nftables.generation();
      const { changes, needsBridge, needsInput, claims } = await this.#difference(wanted, isWholesale);
      try {
        await this.#nftables.commit([...claims, ...changes], { generation });
        this.#hasBridgeTable = needsBridge;
        this.#hasHostInput = needsInput;
        this.#isOwner = true;
        return changes.length > 0;
      } catch (error) {
        if (hasCode(error, "EPERM") && this.#options.owned)
          throw unavailable(
            "set up nftables: table inet tsdocker belongs to a process that is running",
            error,
          );
        if (attempt === mostAttempts || (isWholesale && !hasCode(error, "ERESTART"))) throw error;
        // intervals that others have put in the way of ours may not be told apart from them
        isWholesale ||= !hasCode(error, "ERESTART");
      }
    }
  }

  async #difference(wanted: readonly Entry[], isWholesale: boolean) {
    const there = await this.#nftables.tables();
    const stateOf = (table: Table) => there.find((state) => isSameTable(state, table));
    // it stays when nobody needs it any more: without it the table would be another one
    const needsInput = this.#hasHostInput || wanted.some(isHostAccess);
    const main = this.#isOurs(mainTable)
      ? await this.#tableChanges(stateOf(mainTable)?.flags, isWholesale ? undefined : mainSets, {
          table: mainTable,
          layout: mainLayout(this.#options, { hostInput: needsInput }),
          elements: elementsBySet(wanted.filter((entry) => !isBridging(entry))),
        })
      : nothing;
    const bridgeState = stateOf(bridgeTable);
    const needsBridge = bridgeState !== undefined || wanted.some(isBridging);
    const bridge = needsBridge
      ? await this.#tableChanges(bridgeState?.flags, isWholesale ? undefined : bridgeSets, {
          table: bridgeTable,
          layout: this.#bridgeLayout(),
          elements: elementsBySet(wanted.filter(isBridging)),
        })
      : nothing;
    return {
      needsBridge,
      needsInput,
      claims: [...main.claims, ...bridge.claims],
      changes: [...main.changes, ...bridge.changes],
    };
  }

  /**
   * `claims` make a table ours that an earlier process made: they change nothing in it. Without `sets` the table is
   * replaced whatever it holds.
   */
  async #tableChanges(
    flags: number | undefined,
    sets: readonly { readonly name: string }[] | undefined,
    wanted: WantedTable,
  ): Promise<{ readonly claims: readonly Request[]; readonly changes: readonly Request[] }> {
    const { table } = wanted;
    if (flags === undefined) return { claims: [], changes: contents(wanted, this.#options) };
    const { owned } = this.#options;
    const isOfOurKind = ((flags & tableFlag.persist) !== 0) === owned && (flags & tableFlag.dormant) === 0;
    const names = sets?.map(({ name }) => name);
    const difference =
      isOfOurKind && names ? await differenceFrom(this.#nftables, wanted, names) : "everything";
    const claims = owned && isOfOurKind && !this.#isOwner ? [addTable(table, { owned })] : [];
    const changes =
      difference === "everything" ? [deleteTable(table), ...contents(wanted, this.#options)] : difference;
    return { claims, changes };
  }

  async #commit(going: Iterable<Entry>, coming: Iterable<Entry>): Promise<void> {
    const gone = [...going];
    const come = [...coming];
    const kernelCome = await this.#within(come);
    const takeBack = this.#held.change(gone, come);
    const kernelGone = (await this.#within(gone)).filter((entry) => !this.#held.isShared(entry));
    const needsBridge = !this.#hasBridgeTable && kernelCome.some(isBridging);
    const needsInput = !this.#hasHostInput && kernelCome.some(isHostAccess);
    try {
      await this.#nftables.commit([
        ...(needsBridge ? layoutOf(bridgeTable, this.#bridgeLayout(), this.#options) : []),
        ...(needsInput ? hostInputLayout() : []),
        ...elementRequests(kernelGone, deleteElements),
        ...elementRequests(kernelCome, addElements),
      ]);
    } catch (error) {
      takeBack();
      throw error;
    }
    this.#hasBridgeTable ||= needsBridge;
    this.#hasHostInput ||= needsInput;
  }

  /** The entries that this kernel can hold: without a table for bridges, br_netfilter has the main table judge. */
  async #within(entries: Iterable<Entry>): Promise<Entry[]> {
    const all = [...entries];
    if (!all.some(isBridging)) return all;
    const isThere = async () =>
      (await this.#nftables.tables()).some((table) => isSameTable(table, bridgeTable));
    this.#hasBridgeFamily ??= (await isThere()) || (await hasBridgeFamily(this.#nftables));
    if (this.#hasBridgeFamily) return all;
    const sets = new Set(all.map(({ set }) => set));
    if (sets.has("guards")) throw withoutGuards();
    if (sets.has("apart"))
      for (const family of this.#families) await callBridgeNetfilter(family, this.#options.netns);
    return all.filter((entry) => !isBridging(entry));
  }

  #entriesOf(rule: Rule): Entry[] {
    const { scope } = this.#options;
    if (scope === "guards" && rule.kind !== "guard")
      throw new TypeError(`set firewall rule ${ruleKey(rule)}: here are guards of ports alone`);
    const entries = entriesOf(rule, this.#families);
    return scope === "bridge" ? entries.filter(isBridging) : entries;
  }

  #isOurs(table: Table): boolean {
    const { scope = "all" } = this.#options;
    return scope === "all" ? isOurTable(table) : isSameTable(table, bridgeTable);
  }

  #bridgeLayout(): Request[] {
    return bridgeLayout(this.#options.scope === "guards" ? "guards" : "all");
  }

  /** Notes the rule's entries in `into`. @throws conflict when another rule, not among the `gone`, has one of them */
  #enter(rule: Rule, into: Map<string, Entry>, gone?: ReadonlyMap<string, Entry>): void {
    for (const entry of this.#entriesOf(rule)) {
      const isTaken = into.has(entry.id) || (gone && this.#held.has(entry) && !gone.has(entry.id));
      if (isTaken)
        throw conflict(`set firewall rule ${ruleKey(rule)}: another rule has the same ${entry.set}`);
      into.set(entry.id, entry);
    }
  }
}

// each lost to a foreign transaction that came between the comparison and the change
const mostAttempts = 20;

const nothing = { claims: [], changes: [] };

/** The layout begins with its table, which is made here in its place. */
function layoutOf(table: Table, layout: readonly Request[], { owned }: NftablesOptions): Request[] {
  return [addTable(table, { owned }), ...layout.slice(1)];
}

function contents({ table, layout, elements }: WantedTable, options: NftablesOptions): Request[] {
  return [
    ...layoutOf(table, layout, options),
    ...[...elements].flatMap(([set, each]) => addElements(table, set, each)),
  ];
}

function elementsBySet(entries: readonly Entry[]): Map<string, Element[]> {
  const groups = Map.groupBy(entries, ({ set }) => set);
  return new Map([...groups].map(([set, group]) => [set, group.flatMap(({ elements }) => elements)]));
}

function isBridging({ table }: Entry): boolean {
  return table === "bridge";
}

function isHostAccess({ set }: Entry): boolean {
  return set === "host_access";
}

function elementRequests(entries: readonly Entry[], make: typeof addElements): Request[] {
  const groups = Map.groupBy(entries, ({ table, set }) => `${table} ${set}`);
  return [...groups.values()].flatMap((group) => {
    const first = group[0];
    if (!first) return [];
    return make(
      tables[first.table],
      first.set,
      group.flatMap(({ elements }) => elements),
    );
  });
}
