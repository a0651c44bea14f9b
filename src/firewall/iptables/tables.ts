// What iptables-save shows of our chains, and the lines that hook them in, fill them and take them away. Pure.

import type { Family } from "../../netip/index.ts";
import { unavailable } from "../../util/errors.ts";
import type { RuleSet, TableName, TableRules } from "./render.ts";

/** The state of one table: rules of each chain, without the leading `-A chain`. */
export type TableState = ReadonlyMap<string, readonly string[]>;

export type SavedTables = ReadonlyMap<string, TableState>;

/** A chain of ours, empty or not, that says: the chains with Docker's names in this table are ours. */
export const marker = "TSDOCKER";
const userChain = "DOCKER-USER";
/** In the marker's chain: what we did about the user's chain, so that a later process can undo it. */
const madeUserChain = `-m comment --comment "made ${userChain}" -j RETURN`;
const hookedUserChain = `-m comment --comment "hooked ${userChain}" -j RETURN`;

interface Hook {
  readonly chain: string;
  readonly rule: string;
}

/** From where the kernel's own chains call ours, first to be called first. */
export function hooksOf(table: TableName, family: Family, loopbackNat: boolean): readonly Hook[] {
  switch (table) {
    case "raw":
      return [{ chain: "PREROUTING", rule: "-j DOCKER-RAW" }];
    case "filter":
      return [{ chain: "FORWARD", rule: "-j DOCKER-FORWARD" }];
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
    chainLines(chain, before[chain] ?? [], rules),
  );
  return lines.length > 0 ? [`*${name}`, ...lines, "COMMIT"] : [];
}

// Beyond that many changes of a chain iptables-restore is quicker with the whole chain.
const mostSingleChanges = 200;

/** Few changes are made by position, behind what the two states have in common. */
function chainLines(chain: string, before: readonly string[], after: readonly string[]): string[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const gone = before.length - head - tail;
  const come = after.slice(head, after.length - tail);
  if (gone + come.length > mostSingleChanges)
    return [`:${chain} - [0:0]`, ...after.map((rule) => `-A ${chain} ${rule}`)];
  return [
    ...Array.from({ length: gone }, () => `-D ${chain} ${head + 1}`),
    ...come.map((rule, at) => (tail > 0 ? `-I ${chain} ${head + 1 + at} ${rule}` : `-A ${chain} ${rule}`)),
  ];
}

/** Lines that make one table of ours from whatever state it is in. */
export function resetLines(
  name: TableName,
  rules: TableRules,
  hooks: readonly Hook[],
  state: TableState = new Map(),
): string[] {
  const notes = name === "filter" ? userNotes(state) : [];
  const all = name === "filter" ? [{ chain: "FORWARD", rule: `-j ${userChain}` }, ...hooks] : hooks;
  const fill = fillLines(name, { ...rules, [marker]: notes });
  const newUserChain = name === "filter" && !state.has(userChain) ? [`:${userChain} - [0:0]`] : [];
  return [
    ...fill.slice(0, 1),
    ...newUserChain,
    ...fill.slice(1, -1),
    ...all.flatMap((hook) => unhookLines(hook, state)),
    ...all.toReversed().map(({ chain, rule }) => `-I ${chain} 1 ${rule}`),
    "COMMIT",
  ];
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

/** Whether a table is as `resetLines` and `fillLines` left it: chains, number of rules, hooks. */
export function isAsMade(rules: TableRules, hooks: readonly Hook[], state: TableState | undefined): boolean {
  if (!state || !isOurs(state)) return false;
  const filled = Object.entries(rules).every(([chain, lines]) => state.get(chain)?.length === lines.length);
  return filled && hooks.every(({ chain, rule }) => state.get(chain)?.includes(rule));
}

/** All rules of ours, by table, in the order in which they are applied: what keeps out before what lets in. */
export function tablesOf(rules: RuleSet): readonly (readonly [TableName, TableRules])[] {
  return (["raw", "filter", "nat"] as const).map((name) => [name, rules[name]] as const);
}

function unhookLines({ chain, rule }: Hook, state: TableState): string[] {
  const there = state.get(chain)?.filter((line) => line === rule) ?? [];
  return there.map(() => `-D ${chain} ${rule}`);
}

/** What we are going to do, or an earlier start has done, about the user's chain. */
function userNotes(state: TableState): string[] {
  if (isOurs(state)) return [...(state.get(marker) ?? [])];
  const isHooked = state.get("FORWARD")?.includes(`-j ${userChain}`);
  return [...(state.has(userChain) ? [] : [madeUserChain]), ...(isHooked ? [] : [hookedUserChain])];
}
