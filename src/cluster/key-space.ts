// How records are named in etcd: `/tsdocker/<cluster>/<table>/<key>`. Several clusters may share one etcd.

import { decodeRecord } from "../store/codec.ts";
import { invalid } from "../util/errors.ts";
import { type RecordName, recordPath } from "./changeset.ts";
import type { KeyValue } from "./gen/kv_pb.ts";
import type { StoredRecord } from "./replica.ts";

const decoder = new TextDecoder();

/** Names of one cluster's records. */
export class KeySpace {
  /** Of every record. */
  readonly prefix: string;

  /** @throws invalid */
  constructor(clusterId: string) {
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(clusterId)) throw invalid(`cluster id ${clusterId}: not an id`);
    this.prefix = `/tsdocker/${clusterId}/`;
  }

  keyOf(name: RecordName): string {
    return this.prefix + recordPath(name);
  }

  /** Undefined for a key that is none of ours. */
  nameOf(key: Uint8Array): RecordName | undefined {
    const path = decoder.decode(key).slice(this.prefix.length);
    const slash = path.indexOf("/");
    return slash <= 0 ? undefined : { table: path.slice(0, slash), key: path.slice(slash + 1) };
  }

  /** Undefined for what no program of ours wrote. */
  recordOf({ key, value, modRevision }: KeyValue): StoredRecord | undefined {
    const name = this.nameOf(key);
    const decoded = name && decodeValue(value);
    return decoded === undefined
      ? undefined
      : ({ ...name, value: decoded, revision: Number(modRevision) } as StoredRecord);
  }
}

/** Undefined for what is not JSON. */
function decodeValue(bytes: Uint8Array): unknown {
  try {
    return decodeRecord(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}
