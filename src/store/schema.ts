// The schema's version and the upgrades that lead to it.

import type { RootDatabase } from "lmdb";

/** The version this program writes. Raise it with an upgrade below whenever a record's shape changes. */
export const schemaVersion = 1;

type Database = RootDatabase<string, [string, string]>;

/** upgrades[n] turns version n + 1 into version n + 2. */
const upgrades: readonly ((database: Database) => void)[] = [];

/** Brings an older file up to date; a new file gets today's version. @throws when the file is newer than the program */
export function upgradeSchema(database: Database): void {
  const found = database.get(["meta", "schema"]);
  const version = found === undefined ? schemaVersion : Number(found);
  if (version > schemaVersion) {
    throw new Error(
      `the store has schema ${version}, this program knows up to ${schemaVersion}: use a newer tsdockerd`,
    );
  }
  database.transactionSync(() => {
    for (const upgrade of upgrades.slice(version - 1)) upgrade(database);
    database.putSync(["meta", "schema"], String(schemaVersion));
  });
}
