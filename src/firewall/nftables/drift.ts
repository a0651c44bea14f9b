// Whether the kernel still has what we made: chains with their rules, sets with their elements.

import type { Element, Nftables, Table } from "../../kernel/nftables/index.ts";
import { hasCode } from "../../util/errors.ts";
import type { Entry } from "./entry.ts";
import { type LayoutOptions, mainChains } from "./layout.ts";
import type { ChainWithRules } from "./matches.ts";
import { bridgeSets, bridgeTable, mainSets, mainTable } from "./sets.ts";

/** What is to be there. */
export interface Made extends LayoutOptions {
  readonly entries: readonly Entry[];
  readonly hasBridgeTable: boolean;
}

/** Compares with dumps; counters do not matter. */
export async function isAsMade(nftables: Nftables, made: Made): Promise<boolean> {
  try {
    const main = made.entries.filter(({ table }) => table === "main");
    const bridge = made.entries.filter(({ table }) => table === "bridge");
    const names = (sets: readonly { readonly name: string }[]) => sets.map(({ name }) => name);
    return (
      (await hasChains(nftables, mainTable, mainChains(made))) &&
      (await hasElements(nftables, mainTable, names(mainSets), main)) &&
      (!made.hasBridgeTable || (await hasElements(nftables, bridgeTable, names(bridgeSets), bridge)))
    );
  } catch (error) {
    if (hasCode(error, "ENOENT")) return false; // a set, or the table, is gone
    throw error;
  }
}

/** Hooks and policies of base chains, and the instructions of each rule by name. */
async function hasChains(
  nftables: Nftables,
  table: Table,
  wanted: readonly ChainWithRules[],
): Promise<boolean> {
  const chains = await nftables.chains(table);
  const rules = Map.groupBy(await nftables.rules(table), ({ chain }) => chain);
  if (chains.length !== wanted.length) return false;
  return wanted.every(({ name, hook, rules: wantedRules }) => {
    const found = chains.find((chain) => chain.name === name);
    const isHooked = hook === undefined || (found?.hook?.at === hook.at && found.hook.policy === "accept");
    const is = rules.get(name)?.map(({ expressions }) => expressions.join()) ?? [];
    const isToBe = wantedRules.map(({ statements }) =>
      statements
        .flat()
        .map((each) => each.name)
        .join(),
    );
    return found !== undefined && isHooked && is.join("\n") === isToBe.join("\n");
  });
}

async function hasElements(
  nftables: Nftables,
  table: Table,
  sets: readonly string[],
  entries: readonly Entry[],
): Promise<boolean> {
  const wanted = Map.groupBy(entries, ({ set }) => set);
  const matches = await Promise.all(
    sets.map(async (set) => {
      const is = new Set((await nftables.elements(table, set)).map(elementText));
      const isToBe = new Set(wanted.get(set)?.flatMap(({ elements }) => elements.map(elementText)));
      return is.size === isToBe.size && [...is].every((text) => isToBe.has(text));
    }),
  );
  return matches.every(Boolean);
}

function elementText({ key, keyEnd, data, intervalEnd }: Element): string {
  const value = data instanceof Uint8Array ? hex(data) : JSON.stringify(data);
  return `${hex(key)} ${keyEnd ? hex(keyEnd) : ""} ${value} ${intervalEnd ?? false}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
