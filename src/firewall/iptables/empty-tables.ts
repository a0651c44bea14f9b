// iptables-nft makes a table, with the kernel's own chains, at its first use, and never takes one away. Those that came
// with us go with us, unless somebody has put something into them by then.

import { unless } from "../../kernel/index.ts";
import { deleteTable, type Nftables, openNftables, type Table } from "../../kernel/nftables/index.ts";
import { hasCode } from "../../util/errors.ts";

/** Removes those of the tables that are there and hold nothing but built-in chains that accept everything. */
export async function removeEmptyTables(tables: readonly Table[], netns: string | undefined): Promise<void> {
  if (tables.length === 0) return;
  try {
    await using nftables = await openNftables(netns);
    // somebody may be about to use them: what has changed since it was looked at stays
    const generation = await nftables.generation();
    const empty = await Promise.all(tables.map((table) => isEmpty(nftables, table)));
    await nftables.commit(tables.filter((_, at) => empty[at]).map(deleteTable), { generation });
  } catch (error) {
    // no nftables: these were iptables-legacy's, which the kernel keeps
    if (!hasCode(error, "EPROTONOSUPPORT", "EOPNOTSUPP", "EINVAL", "ERESTART")) throw error;
  }
}

async function isEmpty(nftables: Nftables, table: Table): Promise<boolean> {
  const sets = await unless(["ENOENT"], nftables.sets(table));
  if (!sets) return false; // there is no such table
  const [chains, rules] = await Promise.all([nftables.chains(table), nftables.rules(table)]);
  const areBuiltIn = chains.every(({ hook }) => hook?.policy === "accept");
  return chains.length > 0 && areBuiltIn && rules.length === 0 && sets.length === 0;
}
