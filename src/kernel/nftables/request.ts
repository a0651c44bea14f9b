// Requests to nftables: what `nft add` and `nft delete` would send. Put several in one `commit`.

import { Encoder, nlmFlag } from "../codec.ts";
import type { Request } from "../request.ts";
import { encodeVerdict, type Statement } from "./expression.ts";
import {
  chainAttribute,
  dataAttribute,
  deviceName,
  elementAttribute,
  elementList,
  expressionAttribute,
  familyNumber,
  hookAttribute,
  intervalEndFlag,
  listItem,
  nftType,
  ruleAttribute,
  setAttribute,
  setDescription,
  setFlag,
  tableAttribute,
  tableFlag,
  verdictCode,
  verdictDataType,
} from "./numbers.ts";
import {
  type Chain,
  deviceHookNumber,
  type Element,
  type FieldType,
  fieldType,
  hookNumber,
  padded,
  type SetSpec,
  type Table,
  type Verdict,
} from "./values.ts";

/** An encoder that has written struct nfgenmsg. */
export function nfgenmsg(family: number, resource = 0): Encoder {
  return new Encoder().struct(Uint8Array.of(family, 0, resource >> 8, resource & 0xff));
}

/**
 * Makes the table unless it is there; EEXIST then when it is to be `exclusive`. An `owned` one can be changed, deleted
 * and flushed by this socket alone (EPERM for others). If it `persists` it stays when the socket closes, and the next such
 * request adopts it; else it goes then. EOPNOTSUPP where the kernel cannot (before Linux 5.12, 6.9 if it is to persist),
 * or the table was not made so.
 */
export function addTable(table: Table, { exclusive = false, owned = false, persists = true } = {}): Request {
  const tableFlags = owned ? tableFlag.owner | (persists ? tableFlag.persist : 0) : 0;
  const encoder = begin(table).string(tableAttribute.name, table.name).be32(tableAttribute.flags, tableFlags);
  const flags = nlmFlag.create | (exclusive ? nlmFlag.exclusive : 0);
  return change(
    nftType.newTable,
    flags,
    encoder,
    `nft ${exclusive ? "create" : "add"} table ${named(table)}`,
  );
}

/** Removes the table and all that is in it. ENOENT when there is none: add it in the same transaction first. */
export function deleteTable(table: Table): Request {
  const encoder = begin(table).string(tableAttribute.name, table.name);
  return change(nftType.deleteTable, 0, encoder, `nft delete table ${named(table)}`);
}

/** `nft add chain`; a chain with a hook is a base chain. */
export function addChain(table: Table, chain: Chain): Request {
  const encoder = begin(table)
    .string(chainAttribute.table, table.name)
    .string(chainAttribute.name, chain.name);
  const { hook } = chain;
  if (hook) {
    encoder.nest(chainAttribute.hook, () => {
      encoder.be32(hookAttribute.number, { ...hookNumber, ...deviceHookNumber }[hook.at]);
      encoder.be32(hookAttribute.priority, hook.priority >>> 0);
      const { devices } = hook;
      if (devices)
        encoder.nest(hookAttribute.devices, () => {
          for (const name of devices) encoder.string(deviceName, name);
        });
    });
    encoder.be32(chainAttribute.policy, verdictCode[hook.policy ?? "accept"]);
    encoder.string(chainAttribute.type, hook.type);
  }
  return change(nftType.newChain, nlmFlag.create, encoder, `nft add chain ${named(table)} ${chain.name}`);
}

/** The chain must be empty and unused. */
export function deleteChain(table: Table, chain: string): Request {
  const encoder = begin(table).string(chainAttribute.table, table.name).string(chainAttribute.name, chain);
  return change(nftType.deleteChain, 0, encoder, `nft delete chain ${named(table)} ${chain}`);
}

/** Removes every rule of the chain. */
export function flushChain(table: Table, chain: string): Request {
  const encoder = begin(table).string(ruleAttribute.table, table.name).string(ruleAttribute.chain, chain);
  return change(nftType.deleteRule, 0, encoder, `nft flush chain ${named(table)} ${chain}`);
}

/** Appends a rule; `comment` (at most 127 bytes) is shown by `nft list`. */
export function addRule(
  table: Table,
  chain: string,
  statements: readonly Statement[],
  comment?: string,
): Request {
  const encoder = begin(table).string(ruleAttribute.table, table.name).string(ruleAttribute.chain, chain);
  encoder.nest(ruleAttribute.expressions, () => {
    for (const expression of statements.flat())
      encoder.nest(listItem, () => {
        encoder.string(expressionAttribute.name, expression.name);
        encoder.nest(expressionAttribute.data, () => expression.encode(encoder));
      });
  });
  if (comment) encoder.bytes(ruleAttribute.userData, commentData(comment));
  const words = `nft add rule ${named(table)} ${chain}${comment ? ` comment "${comment}"` : ""}`;
  return change(nftType.newRule, nlmFlag.create | nlmFlag.append, encoder, words);
}

/** Makes a set or map. `id` tells the sets made in one transaction apart. */
export function addSet(table: Table, set: SetSpec, id: number): Request {
  const encoder = begin(table).string(setAttribute.table, table.name).string(setAttribute.name, set.name);
  encoder.be32(setAttribute.flags, flagsOf(set));
  encoder.be32(setAttribute.keyType, typeNumber(set.key)).be32(setAttribute.keyLength, typeSize(set.key));
  if (set.data === "verdict") encoder.be32(setAttribute.dataType, verdictDataType);
  else if (set.data)
    encoder
      .be32(setAttribute.dataType, typeNumber(set.data))
      .be32(setAttribute.dataLength, typeSize(set.data));
  if (isPipapo(set)) encodeConcatenation(encoder, set.key);
  encoder.be32(setAttribute.id, id);
  if (set.key.length === 1 && isHostOrder(set.key[0])) encoder.bytes(setAttribute.userData, hostOrderData);
  const words = `nft add ${set.data ? "map" : "set"} ${named(table)} ${set.name}`;
  return change(nftType.newSet, nlmFlag.create, encoder, words);
}

/** `nft delete set`; fails with EBUSY while a rule uses it. */
export function deleteSet(table: Table, set: string): Request {
  const encoder = begin(table).string(setAttribute.table, table.name).string(setAttribute.name, set);
  return change(nftType.deleteSet, 0, encoder, `nft delete set ${named(table)} ${set}`);
}

/** Removes every element. */
export function flushSet(table: Table, set: string): Request {
  const encoder = begin(table).string(elementList.table, table.name).string(elementList.set, set);
  return change(nftType.deleteElement, 0, encoder, `nft flush set ${named(table)} ${set}`);
}

/** Adds elements, over as many messages as they need. EEXIST when a map has one of the keys with other data. */
export function addElements(table: Table, set: string, elements: readonly Element[]): Request[] {
  return elementRequests(table, set, elements, nftType.newElement, nlmFlag.create, "add");
}

/** Deletes elements; only keys matter. ENOENT when one is missing. */
export function deleteElements(table: Table, set: string, elements: readonly Element[]): Request[] {
  const keys = elements.map(({ key, keyEnd, intervalEnd }) => ({
    key,
    ...(keyEnd ? { keyEnd } : {}),
    ...(intervalEnd ? { intervalEnd } : {}),
  }));
  return elementRequests(table, set, keys, nftType.deleteElement, 0, "delete");
}

// An attribute, and so the list of elements in a message, ends at 64 KiB; the largest element takes under 300 bytes.
const elementBytesPerMessage = 60_000;

function elementRequests(
  table: Table,
  set: string,
  elements: readonly Element[],
  type: number,
  flags: number,
  verb: "add" | "delete",
): Request[] {
  const requests: Request[] = [];
  for (let at = 0; at < elements.length; ) {
    const encoder = begin(table).string(elementList.table, table.name).string(elementList.set, set);
    const from = at;
    encoder.nest(elementList.elements, () => {
      for (; encoder.length < elementBytesPerMessage; at++) {
        const element = elements[at];
        if (!element) break;
        encodeElement(encoder, element);
      }
    });
    const words = `nft ${verb} element ${named(table)} ${set} (${at - from} of them)`;
    requests.push(change(type, flags, encoder, words));
  }
  return requests;
}

function encodeElement(encoder: Encoder, { key, keyEnd, data, intervalEnd }: Element): void {
  encoder.nest(listItem, () => {
    if (intervalEnd) encoder.be32(elementAttribute.flags, intervalEndFlag);
    encoder.nest(elementAttribute.key, () => encoder.bytes(dataAttribute.value, key));
    if (keyEnd) encoder.nest(elementAttribute.keyEnd, () => encoder.bytes(dataAttribute.value, keyEnd));
    if (data) encoder.nest(elementAttribute.data, () => encodeData(encoder, data));
  });
}

function encodeData(encoder: Encoder, data: Uint8Array | Verdict): void {
  if (data instanceof Uint8Array) encoder.bytes(dataAttribute.value, data);
  else encodeVerdict(encoder, data);
}

function flagsOf(set: SetSpec): number {
  return (
    (set.interval ? setFlag.interval : 0) |
    (set.data ? setFlag.map : 0) |
    (isPipapo(set) ? setFlag.concatenation : 0)
  );
}

/** Types that nft takes for numbers in host byte order, unless they are part of a concatenation. */
function isHostOrder(type: FieldType | undefined): boolean {
  return type === "ifname" || type === "mark";
}

/** NFTNL_UDATA_SET_KEYBYTEORDER = BYTEORDER_HOST_ENDIAN of libnftnl and nft: without it `nft list` shows garbage. */
const hostOrderData = Uint8Array.of(0, 4, 1, 0, 0, 0);

/** Intervals of concatenations: the one kind of set whose fields the kernel must be told (EINVAL for others). */
function isPipapo(set: SetSpec): boolean {
  return set.interval === true && set.key.length > 1;
}

/** nft's number for a concatenation: six bits for each type, the last one lowest. */
function typeNumber(types: readonly FieldType[]): number {
  return types.reduce((sum, type) => (sum << 6) | fieldType[type].number, 0) >>> 0;
}

function typeSize(types: readonly FieldType[]): number {
  const sizes = types.map((type) => fieldType[type].size);
  return sizes.length === 1 ? (sizes[0] ?? 0) : sizes.reduce((sum, size) => sum + padded(size), 0);
}

function encodeConcatenation(encoder: Encoder, types: readonly FieldType[]): void {
  encoder.nest(setAttribute.description, () =>
    encoder.nest(setDescription.concatenation, () => {
      for (const type of types)
        encoder.nest(listItem, () => encoder.be32(setDescription.fieldLength, fieldType[type].size));
    }),
  );
}

/** NFTNL_UDATA_RULE_COMMENT of libnftnl: type 0, length, text with its NUL. */
function commentData(comment: string): Uint8Array {
  const text = Buffer.from(`${comment}\0`);
  return Buffer.concat([Uint8Array.of(0, text.length), text]);
}

function begin(table: Table): Encoder {
  return nfgenmsg(familyNumber[table.family]);
}

function named(table: Table): string {
  return `${table.family} ${table.name}`;
}

function change(type: number, flags: number, encoder: Encoder, words: string): Request {
  return { type, flags, payload: encoder.finish(), words };
}
