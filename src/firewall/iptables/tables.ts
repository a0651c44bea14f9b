// What iptables-save shows of our chains, and the lines that hook them in, fill them and take them away. Pure.

import type { Family } from "../../netip/index.ts";
import { unavailable } from "../../util/errors.ts";
import { fenceMarks } from "../fence-marks.ts";
import { canonicalRule } from "./canonical.ts";
import { type RuleSet, setMark, type TableName, type TableRules } from "./render.ts";

/** The state of one table: rules of each chain, without the leading `-A chain`. */
export type TableState = ReadonlyMap<string, readonly string[]>;

export type SavedTables = ReadonlyMap<string, TableState>;

/** A chain of ours, empty or not, that says: the chains with Docker's names in this table are ours. */
export const marker = "TSDOCKER";
const userChain = "DOCKER-USER";
/** In the marker's chain: what we did about the table and the user's chain, so that a later process can undo it. */
const madeUserChain = `-m comment --comment "made ${userChain}" -j RETURN`;
const madeTable = '-m comment --comment "made the table" -j RETURN';
const hookedUserChain = `-m comment --comment "hooked ${userChain}" -j RETURN`;

interface Hook {
  readonly chain: string;
  readonly rule: string;
  /** Even before the user's chain. */
  readonly isVeryFirst?: true;
}

/** One table as it is to be. */
export interface WantedTable {
  readonly name: TableName;
  readonly rules: TableRules;
  readonly hooks: readonly Hook[];
  /** What the marker's chain says: the `notesOn` of the first look. */
  readonly notes: readonly string[];
  /** Ours are to be called before what others have hooked in. Later theirs may go before: that was their will. */
  readonly isFirst: boolean;
}

/** From where the kernel's own chains call ours, first to be called first. */
export function hooksOf(
  table: TableName,
  family: Family,
  { loopbackNat, isFenced }: { readonly loopbackNat: boolean; readonly isFenced?: boolean | undefined },
): readonly Hook[] {
  switch (table) {
    case "raw":
      return [{ chain: "PREROUTING", rule: "-j DOCKER-RAW" }];
    case "filter":
      return [
        ...(isFenced
          ? [{ chain: "FORWARD", rule: `-j ${setMark(fenceMarks.begun)}`, isVeryFirst: true as const }]
          : []),
        { chain: "FORWARD", rule: "-j DOCKER-FORWARD" },
        { chain: "INPUT", rule: "-j DOCKER-INPUT" },
      ];
    case "nat": {
      const local = "-m addrtype --dst-type LOCAL -j DOCKER";
      const notLoopback = loopbackNat || family === 6 ? "" : "! -d 127.0.0.0/8 ";
      return [
        { chain: "PREROUTING", rule: local },
        { chain: "OUTPUT", rule: `${notLoopback}${local}` },
        { chain: "POSTROUTING", rule: "-j DOCKER-POSTROUTING" },
      ];
    }
  }
}

/** Reads what iptables-save wrote. */
export function parseSaved(text: string): SavedTables {
  const tables = new Map<string, Map<string, string[]>>();
  let table = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, name] = /^\*(\S+)/.exec(line) ?? [];
    const [, chain] = /^:(\S+)/.exec(line) ?? [];
    const [, of, rule] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (name) {
      table = new Map();
      tables.set(name, table);
    } else if (chain) table.set(chain, []);
    else if (of) table.get(of)?.push(rule ?? "");
  }
  return tables;
}

/** Whether the chains with Docker's names in this table are ours. */
export function isOurs(state: TableState | undefined): boolean {
  return state?.has(marker) ?? false;
}

/** @throws unavailable when somebody else, Docker most likely, has chains of these names */
export function assertNotForeign(name: TableName, state: TableState | undefined, rules: TableRules): void {
  const foreign = Object.keys(rules).find((chain) => state?.has(chain));
  if (foreign && !isOurs(state))
    throw unavailable(
      `set up iptables: chain ${foreign} of table ${name} belongs to another engine: stop it and remove its chains, or use the nftables back end`,
    );
}

/** Lines that fill our chains; each replaces all that its chain held. */
export function fillLines(name: TableName, rules: TableRules): string[] {
  return [
    `*${name}`,
    ...Object.keys(rules).map((chain) => `:${chain} - [0:0]`),
    ...Object.entries(rules).flatMap(([chain, lines]) => lines.map((line) => `-A ${chain} ${line}`)),
    "COMMIT",
  ];
}

/** Lines that turn one state of our chains into another; none when they are the same. */
export function changeLines(name: TableName, before: TableRules, after: TableRules): string[] {
  const lines = Object.entries(after).flatMap(([chain, rules]) =>
    chainLines(chain, before[chain] ?? [], { rules, compared: rules }),
  );
  return transactionOf(name, lines);
}

/** Lines that bring one table of ours to what it is to be, whatever state it is in; none when it is that already. */
export function restoreLines(wanted: WantedTable, state: TableState = new Map()): string[] {
  if (!isOurs(state)) return resetLines(wanted, state);
  const fill = Object.entries({ ...wanted.rules, [marker]: wanted.notes }).flatMap(([chain, rules]) => {
    const is = state.get(chain);
    if (!is) return wholeChain(chain, rules);
    return chainLines(chain, is.map(canonicalRule), { rules, compared: rules.map(canonicalRule) });
  });
  const hooks = hooksIn(wanted);
  const needsUserChain = wanted.name === "filter" && !state.has(userChain);
  return transactionOf(wanted.name, [
    ...(needsUserChain ? [`:${userChain} - [0:0]`] : []),
    ...fill,
    ...(areHooked(hooks, state, wanted.isFirst) ? [] : rehookLines(hooks, state)),
  ]);
}

function transactionOf(name: TableName, lines: readonly string[]): string[] {
  return lines.length > 0 ? [`*${name}`, ...lines, "COMMIT"] : [];
}

function wholeChain(chain: string, rules: readonly string[]): string[] {
  return [`:${chain} - [0:0]`, ...rules.map((rule) => `-A ${chain} ${rule}`)];
}

// Beyond that many changes of a chain iptables-restore is quicker with the whole chain.
const mostSingleChanges = 200;

/** Few changes are made by position, behind what the two states have in common. */
function chainLines(
  chain: string,
  before: readonly string[],
  { rules, compared: after }: { readonly rules: readonly string[]; readonly compared: readonly string[] },
): string[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const gone = before.length - head - tail;
  const come = rules.slice(head, rules.length - tail);
  if (gone + come.length > mostSingleChanges) return wholeChain(chain, rules);
  return [
    ...Array.from({ length: gone }, () => `-D ${chain} ${head + 1}`),
    ...come.map((rule, at) => (tail > 0 ? `-I ${chain} ${head + 1 + at} ${rule}` : `-A ${chain} ${rule}`)),
  ];
}

/** Lines that make one table of ours from nothing. */
export function resetLines(wanted: WantedTable, state: TableState = new Map()): string[] {
  const { name, rules, notes } = wanted;
  const fill = fillLines(name, { ...rules, [marker]: notes });
  const newUserChain = name === "filter" && !state.has(userChain) ? [`:${userChain} - [0:0]`] : [];
  return [
    ...fill.slice(0, 1),
    ...newUserChain,
    ...fill.slice(1, -1),
    ...rehookLines(hooksIn(wanted), state),
    "COMMIT",
  ];
}

/** From where our chains are called, and the user's before them. */
function hooksIn({ name, hooks }: WantedTable): readonly Hook[] {
  if (name !== "filter") return hooks;
  const userHook = { chain: "FORWARD", rule: `-j ${userChain}` };
  return [
    ...hooks.filter((hook) => hook.isVeryFirst),
    userHook,
    ...hooks.filter((hook) => !hook.isVeryFirst),
  ];
}

function rehookLines(hooks: readonly Hook[], state: TableState): string[] {
  return [
    ...hooks.flatMap((hook) => unhookLines(hook, state)),
    ...hooks.toReversed().map(({ chain, rule }) => `-I ${chain} 1 ${rule}`),
  ];
}

/** Each once, in order, and at the beginning where they are to be `first`. */
function areHooked(hooks: readonly Hook[], state: TableState, first: boolean): boolean {
  const byChain = Map.groupBy(hooks, ({ chain }) => chain);
  return [...byChain].every(([chain, group]) => {
    const wanted = group.map(({ rule }) => canonicalRule(rule));
    const is = (state.get(chain) ?? []).map(canonicalRule);
    const found = first ? is.slice(0, wanted.length) : is.filter((rule) => wanted.includes(rule));
    const count = is.filter((rule) => wanted.includes(rule)).length;
    return count === wanted.length && found.join("\n") === wanted.join("\n");
  });
}

/** Lines that take everything of ours out of a table; none when nothing of it is there. */
export function removeLines(
  name: TableName,
  rules: TableRules,
  hooks: readonly Hook[],
  state: TableState = new Map(),
): string[] {
  if (!isOurs(state)) return [];
  const notes = state.get(marker) ?? [];
  const ours = [...Object.keys(rules), marker].filter((chain) => state.has(chain));
  const dropUserChain = notes.includes(madeUserChain) && state.get(userChain)?.length === 0;
  const userHook = { chain: "FORWARD", rule: `-j ${userChain}` };
  const unhook = notes.includes(hookedUserChain) ? [...hooks, userHook] : hooks;
  return [
    `*${name}`,
    ...unhook.flatMap((hook) => unhookLines(hook, state)),
    ...ours.map((chain) => `-F ${chain}`),
    ...ours.map((chain) => `-X ${chain}`),
    ...(dropUserChain ? [`-X ${userChain}`] : []),
    "COMMIT",
  ];
}

/** All rules of ours, by table, in the order in which they are applied: what keeps out before what lets in. */
export function tablesOf(rules: RuleSet): readonly (readonly [TableName, TableRules])[] {
  return (["raw", "filter", "nat"] as const).map((name) => [name, rules[name]] as const);
}

function unhookLines({ chain, rule }: Hook, state: TableState): string[] {
  const wanted = canonicalRule(rule);
  const there = state.get(chain)?.filter((line) => canonicalRule(line) === wanted) ?? [];
  return there.map((line) => `-D ${chain} ${line}`);
}

/** What our being there makes, or an earlier start has made, of a table that others use too: so that it can be undone. */
export function notesOn(name: TableName, state: TableState | undefined): readonly string[] {
  if (isOurs(state)) return state?.get(marker) ?? [];
  const madeIt = state === undefined ? [madeTable] : [];
  if (name !== "filter") return madeIt;
  const isHooked = state?.get("FORWARD")?.includes(`-j ${userChain}`);
  return [
    ...madeIt,
    ...(state?.has(userChain) ? [] : [madeUserChain]),
    ...(isHooked ? [] : [hookedUserChain]),
  ];
}

/** Whether the table itself came with us: iptables-nft makes tables at their first use and never takes one away. */
export function wasMadeByUs(state: TableState | undefined): boolean {
  return isOurs(state) && (state?.get(marker)?.includes(madeTable) ?? false);
}
