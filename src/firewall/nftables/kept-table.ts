// A table that is kept as it should be: ours alone where the kernel can make it so, and changed by what differs.

import type { Request } from "../../kernel/index.ts";
import {
  addElements,
  addTable,
  deleteTable,
  type Nftables,
  type Table,
  tableFlag,
} from "../../kernel/nftables/index.ts";
import { hasCode } from "../../util/errors.ts";
import { differenceFrom, type WantedTable } from "./drift.ts";

/** Owns one table of one netns; its socket is handed in, always the same. Calls must not overlap. */
export class KeptTable {
  readonly #table: Table;
  #isOwner = false;

  constructor(table: Table) {
    this.#table = table;
  }

  is({ family, name }: Table): boolean {
    return family === this.#table.family && name === this.#table.name;
  }

  /** By what differs: the same again changes nothing. Every set of the table has its elements in `wanted`, or an empty list. Answers whether the table is out of others' reach. */
  async keep(nftables: Nftables, wanted: WantedTable): Promise<boolean> {
    const state = (await nftables.tables()).find((table) => this.is(table));
    const owned = state ? (state.flags & tableFlag.persist) !== 0 : await this.#make(nftables, wanted);
    const difference = state ? await differenceFrom(nftables, wanted, [...wanted.elements.keys()]) : [];
    const changes =
      difference === "everything" ? [deleteTable(this.#table), ...contents(wanted, owned)] : difference;
    const claim = owned && !this.#isOwner && state ? [addTable(this.#table, { owned })] : [];
    await nftables.commit([...claim, ...changes]);
    this.#isOwner = owned;
    return owned;
  }

  /** One that is gone is success. */
  async remove(nftables: Nftables): Promise<void> {
    const isThere = (await nftables.tables()).some((table) => this.is(table));
    if (isThere) await nftables.commit([deleteTable(this.#table)]);
    this.#isOwner = false;
  }

  /** Ours alone where the kernel can make it so; answers whether it can. */
  async #make(nftables: Nftables, wanted: WantedTable): Promise<boolean> {
    try {
      await nftables.commit(contents(wanted, true));
      return true;
    } catch (error) {
      if (!hasCode(error, "EOPNOTSUPP", "EINVAL")) throw error;
    }
    await nftables.commit(contents(wanted, false));
    return false;
  }
}

function contents({ table, layout, elements }: WantedTable, owned: boolean): Request[] {
  return [
    addTable(table, { owned }),
    ...layout.slice(1),
    ...[...elements].flatMap(([set, each]) => addElements(table, set, each)),
  ];
}
