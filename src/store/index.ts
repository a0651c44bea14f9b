// The transactional store: typed collections of JSON records in one LMDB file. Records are read from memory; a commit is
// on disk when it resolves. Schema versions and their upgrades live in `schema.ts`.

export { openStore } from "./store.ts";
export type { Collection, Store, Transaction } from "./types.ts";
