// Expressions: the instructions that rules are made of, as nft compiles its statements to. A field reads something of the
// packet into registers, `equals`, `inSet` and so on compare it, the rest acts. A rule is a list of statements.

import type { Encoder } from "../codec.ts";
import { type Expression, type Field, field, hostNumber } from "./field.ts";
import { dataAttribute, familyNumber, verdictAttribute, verdictCode } from "./numbers.ts";
import { padded, type Verdict } from "./values.ts";

/** What nft would write as one match or action: some instructions. */
export type Statement = readonly Expression[];

// NFT_REG32_00: the first of sixteen registers of 4 bytes
const firstRegister = 8;
const verdictRegister = 0;

/** The field has this value; a shorter value compares the field's beginning. */
export function equals(what: Field, value: Uint8Array): Statement {
  return [what.load(firstRegister), compare(0, value)];
}

/** The field has another value than this one. */
export function differs(what: Field, value: Uint8Array): Statement {
  return [what.load(firstRegister), compare(1, value)];
}

/** The field's beginning matches `value` in the bits of `mask` (`ip daddr 127.0.0.0/8`). */
export function masked(what: Field, mask: Uint8Array, value: Uint8Array): Statement {
  return [what.load(firstRegister), bitwise(mask), compare(0, value)];
}

/** Any of these bits is set in a field of 4 bytes in host byte order. */
export function hasBits(what: Field, bits: number): Statement {
  return [what.load(firstRegister), bitwise(hostNumber(bits)), compare(1, hostNumber(0))];
}

/** The field is within first–last. */
export function inRange(what: Field, first: Uint8Array, last: Uint8Array): Statement {
  const range: Expression = {
    name: "range",
    encode: (into) => {
      into.be32(1, firstRegister).be32(2, 0);
      into.nest(3, () => into.bytes(dataAttribute.value, first));
      into.nest(4, () => into.bytes(dataAttribute.value, last));
    },
  };
  return [what.load(firstRegister), range];
}

/** The fields, concatenated, are an element of the set. */
export function inSet(fields: readonly Field[], set: string, { not = false } = {}): Statement {
  return [...loadAll(fields), lookup(set, undefined, not)];
}

/** Goes where the map says for the fields, and on where it says nothing. */
export function verdictBy(fields: readonly Field[], map: string): Statement {
  return [...loadAll(fields), lookup(map, verdictRegister)];
}

/** Ends the rule: accept, drop, a jump and so on. */
export function verdict(decision: Verdict): Statement {
  return [
    {
      name: "immediate",
      encode: (into) => into.be32(1, verdictRegister).nest(2, () => encodeVerdict(into, decision)),
    },
  ];
}

/** Counts packets and bytes. */
export const counter: Statement = [{ name: "counter", encode: (into) => into.be64(1, 0n).be64(2, 0n) }];

/** Sets bits of the packet's mark and clears others: `meta mark set meta mark & … | …`. */
export function changeMark({
  set = 0,
  clear = 0,
}: {
  readonly set?: number;
  readonly clear?: number;
}): Statement {
  const metaMark = 3;
  const store: Expression = {
    name: "meta",
    encode: (into) => into.be32(2, metaMark).be32(3, firstRegister),
  };
  const mask = hostNumber(~(set | clear) >>> 0);
  return [field.mark.load(firstRegister), bitwise(mask, hostNumber(set)), store];
}

/** Replaces the source by the address of the link that the packet leaves by. */
export const masquerade: Statement = [{ name: "masq", encode: () => undefined }];

/**
 * Drops the packet and says so: `reset` to TCP, `unreachable` by ICMP (port unreachable), of either family in a table of
 * both (NFT_REJECT_TCP_RST; NFT_REJECT_ICMPX_UNREACH with NFT_REJECT_ICMPX_PORT_UNREACH).
 */
export function refuse(how: "reset" | "unreachable"): Statement {
  const isReset = how === "reset";
  return [{ name: "reject", encode: (into) => into.be32(1, isReset ? 1 : 2).u8(2, isReset ? 0 : 1) }];
}

/** Conntrack looks away: the packet belongs to no connection. */
export const noTrack: Statement = [{ name: "notrack", encode: () => undefined }];

/** Where the Internet checksum is in the transport header. */
const checksumAt = { tcp: 16, udp: 6 } as const;

/** Writes another port into a packet, checksum included; nobody translates the answers back. */
export function setPort(protocol: "tcp" | "udp", which: "source" | "target", port: Uint8Array): Statement {
  const write: Expression = {
    name: "payload",
    encode: (into) => {
      // from a register (5) to the transport header (2), at an offset, so many bytes; an Internet checksum (1)
      into
        .be32(5, firstRegister)
        .be32(2, 2)
        .be32(3, which === "source" ? 0 : 2)
        .be32(4, port.length);
      into.be32(6, 1).be32(7, checksumAt[protocol]).be32(8, 0);
    },
  };
  return [immediate(firstRegister, port), write];
}

/** Translates the target to what the map holds for the fields: an address, `withPort` followed by a port. */
export function dnatBy(
  family: "ip" | "ip6",
  fields: readonly Field[],
  map: string,
  { withPort = false } = {},
): Statement {
  return [...loadAll(fields), lookup(map, firstRegister), nat(1, family, withPort)];
}

/** Translates the source to what the map holds for the fields. */
export function snatBy(family: "ip" | "ip6", fields: readonly Field[], map: string): Statement {
  return [...loadAll(fields), lookup(map, firstRegister), nat(0, family, false)];
}

/** Writes a verdict as NFTA_DATA_VERDICT, for rules and for elements of verdict maps. */
export function encodeVerdict(into: Encoder, decision: Verdict): void {
  into.nest(dataAttribute.verdict, () => {
    if (typeof decision === "string") into.be32(verdictAttribute.code, verdictCode[decision]);
    else if ("jump" in decision)
      into.be32(verdictAttribute.code, verdictCode.jump).string(verdictAttribute.chain, decision.jump);
    else into.be32(verdictAttribute.code, verdictCode.goto).string(verdictAttribute.chain, decision.goto);
  });
}

function loadAll(fields: readonly Field[]): Expression[] {
  let register = firstRegister;
  return fields.map((each) => {
    const expression = each.load(register);
    register += padded(each.size) / 4;
    return expression;
  });
}

function compare(operator: 0 | 1, value: Uint8Array): Expression {
  return {
    name: "cmp",
    encode: (into) =>
      into
        .be32(1, firstRegister)
        .be32(2, operator)
        .nest(3, () => into.bytes(dataAttribute.value, value)),
  };
}

/** (register & mask) ^ flip */
function bitwise(mask: Uint8Array, flip: Uint8Array = new Uint8Array(mask.length)): Expression {
  return {
    name: "bitwise",
    encode: (into) => {
      into.be32(1, firstRegister).be32(2, firstRegister).be32(3, mask.length);
      into.nest(4, () => into.bytes(dataAttribute.value, mask));
      into.nest(5, () => into.bytes(dataAttribute.value, flip));
    },
  };
}

function lookup(set: string, into: number | undefined, not = false): Expression {
  return {
    name: "lookup",
    encode: (encoder) => {
      encoder.string(1, set).be32(2, firstRegister);
      if (into !== undefined) encoder.be32(3, into);
      if (not) encoder.be32(5, 1);
    },
  };
}

function immediate(register: number, value: Uint8Array): Expression {
  return {
    name: "immediate",
    encode: (into) => into.be32(1, register).nest(2, () => into.bytes(dataAttribute.value, value)),
  };
}

/** Address in the first register(s), the port in the one behind. */
function nat(kind: 0 | 1, family: "ip" | "ip6", withPort: boolean): Expression {
  const portRegister = firstRegister + (family === "ip" ? 1 : 4);
  return {
    name: "nat",
    encode: (into) => {
      into.be32(1, kind).be32(2, familyNumber[family]).be32(3, firstRegister);
      if (withPort) into.be32(5, portRegister);
    },
  };
}
