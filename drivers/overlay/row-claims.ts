// Which rows are wanted. Several endpoints may claim one: while an address moves from host to host both have it on record,
// and all endpoints of a host claim that broadcasts go there. The latest record wins, an endpoint of this host over all.

import { type Row, rowKey } from "./rows.ts";

interface Claim {
  readonly row: Row;
  readonly rank: number;
}

/** Rows by who wants them. */
export class RowClaims {
  readonly #keys = new Map<string, readonly string[]>();
  readonly #claims = new Map<string, Map<string, Claim>>();

  /** Replaces what the owner claimed before; `rank`: higher wins. Answers the keys that may have another winner now. */
  set(owner: string, rows: readonly Row[], rank: number): readonly string[] {
    const before = this.#keys.get(owner) ?? [];
    for (const key of before) this.#drop(key, owner);
    for (const row of rows) this.#add(rowKey(row), owner, { row, rank });
    const keys = rows.map(rowKey);
    if (keys.length > 0) this.#keys.set(owner, keys);
    else this.#keys.delete(owner);
    return [...new Set([...before, ...keys])];
  }

  /** The row that is wanted; undefined when nobody wants one. */
  get(key: string): Row | undefined {
    let best: Claim | undefined;
    for (const claim of this.#claims.get(key)?.values() ?? [])
      if (!best || claim.rank > best.rank) best = claim;
    return best?.row;
  }

  owners(): Iterable<string> {
    return this.#keys.keys();
  }

  *rows(): Iterable<Row> {
    for (const key of this.#claims.keys()) {
      const row = this.get(key);
      if (row) yield row;
    }
  }

  #add(key: string, owner: string, claim: Claim): void {
    const claims = this.#claims.get(key) ?? new Map<string, Claim>();
    this.#claims.set(key, claims.set(owner, claim));
  }

  #drop(key: string, owner: string): void {
    const claims = this.#claims.get(key);
    claims?.delete(owner);
    if (claims?.size === 0) this.#claims.delete(key);
  }
}
