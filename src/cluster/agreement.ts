// A transaction as etcd takes it.

import type { Changeset, Outcome } from "./changeset.ts";
import {
  deleteKey,
  type EtcdClient,
  headOf,
  isAtRevision,
  putKey,
  rangeKey,
  transact,
} from "./etcd/index.ts";
import type { KeySpace } from "./key-space.ts";

/** All of it or nothing, and then what stands in the way. @throws unavailable: it may have happened; invalid; forbidden */
export async function agree(
  client: EtcdClient,
  keys: KeySpace,
  { conditions, writes }: Changeset,
): Promise<Outcome> {
  const request = {
    compare: conditions.map((condition) => isAtRevision(keys.keyOf(condition), condition.revision)),
    success: writes.map((write) =>
      write.text === undefined ? deleteKey(keys.keyOf(write)) : putKey(keys.keyOf(write), write.text),
    ),
    failure: conditions.map((condition) => rangeKey(keys.keyOf(condition))),
  };
  const answer = await transact(client, request, { doing: "write to the store" });
  const { revision } = headOf(answer.header);
  if (answer.succeeded) return { kind: "done", revision };
  const found = conditions.map(({ table, key }, index) => {
    const response = answer.responses[index]?.response;
    const [kv] = response?.case === "responseRange" ? response.value.kvs : [];
    return { table, key, revision: Number(kv?.modRevision ?? 0n) };
  });
  return { kind: "refused", revision, found };
}
