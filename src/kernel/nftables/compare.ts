// Whether what the kernel describes is what requests asked for. What the kernel adds (handles, use counts, its own
// defaults) and the numbers of counters do not matter.

import { Attributes, align } from "../codec.ts";
import type { Request } from "../request.ts";
import { chainAttribute, expressionAttribute, nftType, ruleAttribute, setAttribute } from "./numbers.ts";

/** What a table holds: payloads of NFT_MSG_NEWCHAIN, NEWSET and NEWRULE; rules in the order of their chain. */
export interface TableDump {
  readonly chains: readonly Buffer[];
  readonly sets: readonly Buffer[];
  readonly rules: readonly Buffer[];
}

/** Whether the table holds the chains, sets and rules that the requests make, and nothing else; elements aside. */
export function isMadeBy(requests: readonly Request[], dump: TableDump): boolean {
  const ofType = (wanted: number) => requests.filter(({ type }) => type === wanted);
  return (
    areObjects(ofType(nftType.newChain), dump.chains, chainAttribute.name, isChain) &&
    areObjects(ofType(nftType.newSet), dump.sets, setAttribute.name, isSet) &&
    areRules(ofType(nftType.newRule), dump.rules)
  );
}

type Comparison = (request: Request, dumped: Buffer) => boolean;

/** Objects with names: as many as were asked for, and each as asked. */
function areObjects(
  wanted: readonly Request[],
  is: readonly Buffer[],
  nameType: number,
  isSame: Comparison,
): boolean {
  const byName = new Map(is.map((dumped) => [nameIn(dumped, nameType), dumped]));
  return (
    wanted.length === is.length &&
    wanted.every((request) => {
      const dumped = byName.get(nameIn(bufferOf(request), nameType));
      return dumped !== undefined && isSame(request, dumped);
    })
  );
}

function areRules(wanted: readonly Request[], is: readonly Buffer[]): boolean {
  const found = Map.groupBy(is, (dumped) => nameIn(dumped, ruleAttribute.chain));
  const groups = Map.groupBy(wanted, (request) => nameIn(bufferOf(request), ruleAttribute.chain));
  return (
    wanted.length === is.length &&
    [...groups].every(([chain, requests]) => {
      const dumped = found.get(chain) ?? [];
      return (
        dumped.length === requests.length &&
        requests.every((request, at) => isRule(request, dumped[at] ?? Buffer.alloc(headerSize)))
      );
    })
  );
}

/** sizeof(struct nfgenmsg). */
const headerSize = 4;

function isChain(request: Request, dumped: Buffer): boolean {
  const isHooked = (payload: Buffer) => new Attributes(payload.subarray(headerSize)).has(chainAttribute.hook);
  return isHooked(bufferOf(request)) === isHooked(dumped) && hasAllOf(request, dumped);
}

/** The number of a set is for its transaction alone. */
function isSet(request: Request, dumped: Buffer): boolean {
  return hasAllOf(request, dumped, [setAttribute.id]);
}

/** Whether the kernel has, for every attribute of the request, the same value; `ignoring` names types to leave out. */
function hasAllOf(request: Request, dumped: Buffer, ignoring: readonly number[] = []): boolean {
  const wanted = attributesIn(bufferOf(request).subarray(headerSize)).filter(
    ({ type }) => !ignoring.includes(type),
  );
  return holdAll(wanted, attributesIn(dumped.subarray(headerSize)));
}

/** A rule's instructions may have nothing beyond what was asked for. */
function isRule(request: Request, dumped: Buffer): boolean {
  const wanted = new Attributes(bufferOf(request).subarray(headerSize));
  const is = new Attributes(dumped.subarray(headerSize));
  const userData = (of: Attributes) => of.bytes(ruleAttribute.userData) ?? Buffer.alloc(0);
  const expressions = is.list(ruleAttribute.expressions);
  const asked = wanted.list(ruleAttribute.expressions);
  return (
    userData(wanted).equals(userData(is)) &&
    asked.length === expressions.length &&
    asked.every((expression, at) => isExpression(expression, expressions[at] ?? Buffer.alloc(0)))
  );
}

function bufferOf({ payload }: Request): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.length);
}

function nameIn(payload: Buffer, type: number): string {
  return new Attributes(payload.subarray(headerSize)).string(type) ?? "";
}

interface Attribute {
  readonly type: number;
  readonly isNested: boolean;
  readonly value: Buffer;
}

const nestedFlag = 0x8000; // NLA_F_NESTED
const typeMask = 0x3fff; // NLA_TYPE_MASK

function attributesIn(bytes: Buffer): Attribute[] {
  const found: Attribute[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    const type = bytes.readUInt16LE(at + 2);
    if (length < 4 || at + length > bytes.length) break;
    const value = bytes.subarray(at + 4, at + length);
    found.push({ type: type & typeMask, isNested: (type & nestedFlag) !== 0, value });
    at += align(length);
  }
  return found;
}

/** List items have one type: they are held against each other in order, and there are as many. */
function holdAll(wanted: readonly Attribute[], is: readonly Attribute[]): boolean {
  const groups = Map.groupBy(wanted, ({ type }) => type);
  return [...groups].every(([type, group]) => {
    const found = is.filter((each) => each.type === type);
    // flags of 0 are not told
    if (found.length === 0) return group.every(({ value }) => value.every((byte) => byte === 0));
    return (
      found.length === group.length &&
      group.every((each, at) => holds(each, found[at]?.value ?? Buffer.alloc(0)))
    );
  });
}

function holds({ isNested, value }: Attribute, is: Buffer): boolean {
  if (isNested) return holdAll(attributesIn(value), attributesIn(is));
  return value.equals(is) || isSameRegister(value, is);
}

/** NFT_REG32_00, _04, … are told as NFT_REG_1, _2, …: the same place. */
function isSameRegister(wanted: Buffer, is: Buffer): boolean {
  if (wanted.length !== 4 || is.length !== 4) return false;
  const register = wanted.readUInt32BE();
  return register >= 8 && register <= 20 && register % 4 === 0 && is.readUInt32BE() === register / 4 - 1;
}

// what these hold besides what was asked for changes by itself, or follows from it
const withMore = ["counter", "quota", "limit", "log", "last", "connlimit", "nat", "masq", "redir"];

function isExpression(wanted: Buffer, is: Buffer): boolean {
  const name = new Attributes(wanted).string(expressionAttribute.name) ?? "";
  if (name !== new Attributes(is).string(expressionAttribute.name)) return false;
  if (name === "counter") return true;
  const wantedData = dataIn(wanted);
  const isData = dataIn(is);
  return holdAll(wantedData, isData) && (withMore.includes(name) || hasNoMore(wantedData, isData));
}

function dataIn(expression: Buffer): Attribute[] {
  return attributesIn(new Attributes(expression).bytes(expressionAttribute.data) ?? Buffer.alloc(0));
}

/** The kernel tells flags that are 0, and the end of a range that is one value: nothing else may be there. */
function hasNoMore(wanted: readonly Attribute[], is: readonly Attribute[]): boolean {
  const types = new Set(wanted.map(({ type }) => type));
  const known = is.filter(({ type }) => types.has(type));
  return is
    .filter(({ type }) => !types.has(type))
    .every(
      ({ value }) => value.every((byte) => byte === 0) || known.some((other) => other.value.equals(value)),
    );
}
