// What of a set's elements has to change: the dump is compared as it came, and only what differs is read.

import { Attributes, align } from "../codec.ts";
import type { Request } from "../request.ts";
import { decodeElement, decodeVerdict } from "./decode.ts";
import { dataAttribute, elementAttribute, elementList, intervalEndFlag } from "./numbers.ts";
import { addElements, deleteElements } from "./request.ts";
import type { Element, Table, Verdict } from "./values.ts";

/**
 * Requests that make a set hold these elements and no others. `dump`: payloads of NFT_MSG_NEWSETELEM, which may tell of an
 * element twice. Deletions come first: a key that leads elsewhere now has to go before it can come.
 */
export function elementChanges(
  table: Table,
  set: string,
  { dump, wanted }: { readonly dump: readonly Buffer[]; readonly wanted: readonly Element[] },
): Request[] {
  const missing = new Map<string, Element>();
  for (const element of wanted) missing.set(elementText(element), element);
  const strange = new Map<string, Buffer>();
  for (const payload of dump)
    for (const item of itemsIn(payload)) {
      const text = itemText(payload, item);
      if (!missing.delete(text)) strange.set(text, payload.subarray(item.from, item.to));
    }
  if (strange.size > 0) for (const element of wanted) strange.delete(elementText(element)); // told of twice
  return [
    ...deleteElements(table, set, [...strange.values()].map(decodeElement)),
    ...addElements(table, set, [...missing.values()]),
  ];
}

/** Where in a payload an attribute's value is. */
interface Span {
  readonly type: number;
  readonly from: number;
  readonly to: number;
}

const headerSize = 4; // of struct nfgenmsg, and of struct nlattr
const typeMask = 0x3fff; // NLA_TYPE_MASK

function* spansIn(bytes: Buffer, from: number, to: number): Generator<Span> {
  for (let at = from; at + headerSize <= to; ) {
    const length = bytes.readUInt16LE(at);
    if (length < headerSize || at + length > to)
      throw new RangeError(`decode nftables element at byte ${at}: length ${length}`);
    yield { type: bytes.readUInt16LE(at + 2) & typeMask, from: at + headerSize, to: at + length };
    at += align(length);
  }
}

function* itemsIn(payload: Buffer): Generator<Span> {
  for (const { type, from, to } of spansIn(payload, headerSize, payload.length))
    if (type === elementList.elements) yield* spansIn(payload, from, to);
}

/** What `elementText` says of the same element. There are tens of thousands: nothing is made but the text. */
function itemText(bytes: Buffer, { from, to }: Span): string {
  let key = "";
  let keyEnd = "";
  let value = "";
  let isIntervalEnd = false;
  for (let at = from; at + headerSize <= to; ) {
    const length = bytes.readUInt16LE(at);
    if (length < headerSize || at + length > to) break;
    const type = bytes.readUInt16LE(at + 2) & typeMask;
    if (type === elementAttribute.key) key = dataText(bytes, at + headerSize);
    else if (type === elementAttribute.data) value = dataText(bytes, at + headerSize);
    else if (type === elementAttribute.keyEnd) keyEnd = dataText(bytes, at + headerSize);
    else if (type === elementAttribute.flags)
      isIntervalEnd = (bytes.readUInt32BE(at + headerSize) & intervalEndFlag) !== 0;
    at += align(length);
  }
  return textOf(key, keyEnd, value, isIntervalEnd);
}

/** Of the one attribute that NFTA_SET_ELEM_KEY and its like hold. */
function dataText(bytes: Buffer, at: number): string {
  const end = at + bytes.readUInt16LE(at);
  const isValue = (bytes.readUInt16LE(at + 2) & typeMask) === dataAttribute.value;
  if (isValue) return bytes.toString("latin1", at + headerSize, end);
  return verdictText(decodeVerdict(new Attributes(bytes.subarray(at + headerSize, end))));
}

function elementText({ key, keyEnd, data, intervalEnd = false }: Element): string {
  const value = data === undefined ? "" : data instanceof Uint8Array ? bytesText(data) : verdictText(data);
  return textOf(bytesText(key), keyEnd ? bytesText(keyEnd) : "", value, intervalEnd);
}

/** All keys of a set have one length, and so has its data. */
function textOf(key: string, keyEnd: string, value: string, isIntervalEnd: boolean): string {
  return `${key}${keyEnd}${value}${isIntervalEnd ? "|" : ""}`;
}

/** As latin1, which for the few bytes of a key is quicker than by way of a Buffer. */
function bytesText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function verdictText(verdict: Verdict | undefined): string {
  return JSON.stringify(verdict) ?? "";
}
