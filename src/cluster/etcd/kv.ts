// Reading a prefix whole, as of one revision, and writing under conditions.

import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { EngineError } from "../../util/errors.ts";
import type { KeyValue } from "../gen/kv_pb.ts";
import {
  type CompareSchema,
  KV,
  type RequestOpSchema,
  type ResponseHeader,
  type TxnRequestSchema,
  type TxnResponseSchema,
} from "../gen/rpc_pb.ts";
import type { CallOptions, EtcdClient } from "./client.ts";

export interface Reading {
  readonly revision: number;
  /** Which etcd cluster answered: etcd's own id, not ours. */
  readonly storeId: string;
  readonly keys: readonly KeyValue[];
}

const pageSize = 1_000;
const encoder = new TextEncoder();

/** Everything under a prefix as of one revision, read in pages; the first page is agreed on by the members. */
export async function readPrefix(client: EtcdClient, prefix: string, options: CallOptions): Promise<Reading> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await readPages(client, prefix, options);
    } catch (error) {
      // someone compacted between two pages: begin again, at a newer revision
      if (attempt >= 3 || !isCompacted(error)) throw error;
    }
  }
}

/** Where the store is, without any of its records. */
export async function readHead(
  client: EtcdClient,
  key: string,
  options: CallOptions,
): Promise<Omit<Reading, "keys">> {
  const request = { key: encoder.encode(key), countOnly: true };
  return headOf((await client.call(KV.method.range, request, { isRepeatable: true, ...options })).header);
}

/** One record, agreed on by the members. */
export async function readKey(
  client: EtcdClient,
  key: string,
  options: CallOptions,
): Promise<KeyValue | undefined> {
  const request = { key: encoder.encode(key) };
  return (await client.call(KV.method.range, request, { isRepeatable: true, ...options })).kvs[0];
}

export function transact(
  client: EtcdClient,
  request: MessageInitShape<typeof TxnRequestSchema>,
  options: CallOptions,
): Promise<MessageShape<typeof TxnResponseSchema>> {
  return client.call(KV.method.txn, request, options);
}

/** The key's last write was at `revision`; 0: there is no such key. */
export function isAtRevision(key: string, revision: number): MessageInitShape<typeof CompareSchema> {
  const modRevision = { case: "modRevision", value: BigInt(revision) } as const;
  return { result: 0, target: 2, key: encoder.encode(key), targetUnion: modRevision };
}

type Operation = MessageInitShape<typeof RequestOpSchema>;

export function putKey(key: string, text: string, lease = 0n): Operation {
  const value = { key: encoder.encode(key), value: encoder.encode(text), lease };
  return { request: { case: "requestPut", value } };
}

export function deleteKey(key: string): Operation {
  return { request: { case: "requestDeleteRange", value: { key: encoder.encode(key) } } };
}

/** Which revision a key is at, without its value. */
export function rangeKey(key: string): Operation {
  return { request: { case: "requestRange", value: { key: encoder.encode(key), keysOnly: true } } };
}

/** The first key behind all with the prefix: etcd's ranges end before their end. */
export function prefixEnd(prefix: string): Uint8Array {
  const bytes = encoder.encode(prefix);
  const last = bytes.length - 1;
  // our prefixes end in "/"
  bytes[last] = (bytes[last] ?? 0) + 1;
  return bytes;
}

export function headOf(header: ResponseHeader | undefined): Omit<Reading, "keys"> {
  return { revision: Number(header?.revision ?? 0n), storeId: (header?.clusterId ?? 0n).toString(16) };
}

export function isCompacted(error: unknown): boolean {
  return error instanceof EngineError && error.message.includes("required revision has been compacted");
}

async function readPages(client: EtcdClient, prefix: string, options: CallOptions): Promise<Reading> {
  const keys: KeyValue[] = [];
  const rangeEnd = prefixEnd(prefix);
  let head: Omit<Reading, "keys"> | undefined;
  for (let key = encoder.encode(prefix); ; ) {
    const revision = BigInt(head?.revision ?? 0);
    const request = { key, rangeEnd, limit: BigInt(pageSize), revision };
    const page = await client.call(KV.method.range, request, { isRepeatable: true, ...options });
    head ??= headOf(page.header);
    keys.push(...page.kvs);
    const last = page.kvs.at(-1);
    if (!page.more || !last) return { ...head, keys };
    key = new Uint8Array([...last.key, 0]);
  }
}
