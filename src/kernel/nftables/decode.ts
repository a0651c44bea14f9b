// Dumps and notifications of nftables, read back into values.

import { Attributes } from "../codec.ts";
import {
  chainAttribute,
  dataAttribute,
  elementAttribute,
  elementList,
  expressionAttribute,
  familyNumber,
  hookAttribute,
  intervalEndFlag,
  ruleAttribute,
  setAttribute,
  tableAttribute,
  verdictAttribute,
  verdictCode,
} from "./numbers.ts";
import {
  deviceHookNumber,
  type Element,
  hookNumber,
  type Table,
  type TableFamily,
  type Verdict,
} from "./values.ts";

export interface TableState extends Table {
  /** How many chains, sets and objects it holds. */
  readonly use: number;
  /** Bits of NFT_TABLE_F_*. */
  readonly flags: number;
}

export interface ChainState {
  readonly table: string;
  readonly name: string;
  readonly hook?: {
    readonly type: string;
    readonly at: string;
    readonly priority: number;
    readonly policy: "accept" | "drop";
  };
}

export interface RuleState {
  readonly table: string;
  readonly chain: string;
  readonly handle: bigint;
  readonly comment?: string;
  /** Names of its instructions, in order. */
  readonly expressions: readonly string[];
}

export interface SetState {
  readonly table: string;
  readonly name: string;
  /** Bits of NFT_SET_*. */
  readonly flags: number;
  readonly keyType: number;
  readonly keyLength: number;
}

/** NFT_MSG_NEWTABLE. */
export function decodeTable(payload: Buffer): TableState {
  const attributes = attributesOf(payload);
  const family = familyOf(payload[0] ?? 0);
  const use = attributes.be32(tableAttribute.use) ?? 0;
  const flags = attributes.be32(tableAttribute.flags) ?? 0;
  return checked(attributes, { family, name: attributes.string(tableAttribute.name) ?? "", use, flags });
}

/** NFT_MSG_NEWCHAIN. */
export function decodeChain(payload: Buffer): ChainState {
  const attributes = attributesOf(payload);
  const hook = attributes.nested(chainAttribute.hook);
  const policy = attributes.be32(chainAttribute.policy) === verdictCode.drop ? "drop" : "accept";
  const base: ChainState["hook"] = hook && {
    type: attributes.string(chainAttribute.type) ?? "",
    at: hookName(hook.be32(hookAttribute.number) ?? 0, payload[0]),
    priority: (hook.be32(hookAttribute.priority) ?? 0) | 0,
    policy,
  };
  return checked(attributes, {
    table: attributes.string(chainAttribute.table) ?? "",
    name: attributes.string(chainAttribute.name) ?? "",
    ...(base ? { hook: base } : {}),
  });
}

/** NFT_MSG_NEWRULE. */
export function decodeRule(payload: Buffer): RuleState {
  const attributes = attributesOf(payload);
  const comment = commentOf(attributes.bytes(ruleAttribute.userData));
  return checked(attributes, {
    table: attributes.string(ruleAttribute.table) ?? "",
    chain: attributes.string(ruleAttribute.chain) ?? "",
    handle: attributes.be64(ruleAttribute.handle) ?? 0n,
    ...(comment === undefined ? {} : { comment }),
    expressions: attributes
      .list(ruleAttribute.expressions)
      .map((item) => new Attributes(item).string(expressionAttribute.name) ?? ""),
  });
}

/** NFT_MSG_NEWSET. */
export function decodeSet(payload: Buffer): SetState {
  const attributes = attributesOf(payload);
  return checked(attributes, {
    table: attributes.string(setAttribute.table) ?? "",
    name: attributes.string(setAttribute.name) ?? "",
    flags: attributes.be32(setAttribute.flags) ?? 0,
    keyType: attributes.be32(setAttribute.keyType) ?? 0,
    keyLength: attributes.be32(setAttribute.keyLength) ?? 0,
  });
}

/** NFT_MSG_NEWSETELEM: the elements that one message holds. */
export function decodeElements(payload: Buffer): Element[] {
  return attributesOf(payload).list(elementList.elements).map(decodeElement);
}

/** One item of such a list. */
export function decodeElement(item: Buffer): Element {
  const attributes = new Attributes(item);
  const key = attributes.nested(elementAttribute.key)?.bytes(dataAttribute.value);
  const keyEnd = attributes.nested(elementAttribute.keyEnd)?.bytes(dataAttribute.value);
  const data = attributes.nested(elementAttribute.data);
  const value =
    data && (data.bytes(dataAttribute.value) ?? decodeVerdict(data.nested(dataAttribute.verdict)));
  const intervalEnd = ((attributes.be32(elementAttribute.flags) ?? 0) & intervalEndFlag) !== 0;
  return checked(attributes, {
    key: key ?? new Uint8Array(),
    ...(keyEnd ? { keyEnd } : {}),
    ...(value === undefined ? {} : { data: value }),
    ...(intervalEnd ? { intervalEnd } : {}),
  });
}

/** What NFTA_DATA_VERDICT holds. */
export function decodeVerdict(attributes: Attributes | undefined): Verdict | undefined {
  const chain = attributes?.string(verdictAttribute.chain) ?? "";
  switch (attributes?.be32(verdictAttribute.code)) {
    case verdictCode.accept:
      return "accept";
    case verdictCode.drop:
      return "drop";
    case verdictCode.return:
      return "return";
    case verdictCode.jump:
      return { jump: chain };
    case verdictCode.goto:
      return { goto: chain };
    default:
      return undefined;
  }
}

function commentOf(userData: Buffer | undefined): string | undefined {
  if (!userData || userData.length < 3 || userData[0] !== 0) return undefined;
  return userData.toString("utf8", 2, 2 + (userData[1] ?? 1) - 1);
}

function attributesOf(payload: Buffer): Attributes {
  return new Attributes(payload.subarray(4));
}

function checked<T>(attributes: Attributes, value: T): T {
  attributes.check();
  return value;
}

function familyOf(number: number): TableFamily {
  const found = Object.entries(familyNumber).find(([, value]) => value === number);
  return (found?.[0] ?? "inet") as TableFamily;
}

function hookName(number: number, family: number | undefined): string {
  const numbers = family === familyNumber.netdev ? deviceHookNumber : hookNumber;
  return Object.entries(numbers).find(([, value]) => value === number)?.[0] ?? String(number);
}
