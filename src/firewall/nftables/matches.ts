// The conditions that the chains are written in.

import type { Chain, Field, Statement } from "../../kernel/nftables/index.ts";
import {
  ctState,
  ctStatus,
  equals,
  field,
  hasBits,
  inSet,
  masked,
  verdict,
} from "../../kernel/nftables/index.ts";

/** What the chains of a table hold. */
export interface ChainWithRules extends Chain {
  readonly rules: readonly CommentedRule[];
}

/** A rule; `nft list` shows the comment. */
export interface CommentedRule {
  readonly comment: string;
  readonly statements: readonly Statement[];
}

/** A rule of these statements, in order. */
export function rule(comment: string, ...statements: Statement[]): CommentedRule {
  return { comment, statements };
}

/** NFPROTO_IPV4 and NFPROTO_IPV6 in a `meta nfproto` field. */
export const familyField = { 4: Uint8Array.of(2), 6: Uint8Array.of(10) } as const;

export const isIpv4 = equals(field.family, familyField[4]);
export const isIpv6 = equals(field.family, familyField[6]);
export const isFamily = { 4: isIpv4, 6: isIpv6 } as const;
export const isKnown = hasBits(field.ctState, ctState.established | ctState.related);
export const isNew = hasBits(field.ctState, ctState.new);
export const isInvalid = hasBits(field.ctState, ctState.invalid);
export const wasPublished = hasBits(field.ctStatus, ctStatus.targetNat);
export const toLoopback = masked(field.ipTarget, Uint8Array.of(255, 0, 0, 0), Uint8Array.of(127, 0, 0, 0));
export const fromLoopback = masked(field.ipSource, Uint8Array.of(255, 0, 0, 0), Uint8Array.of(127, 0, 0, 0));
const linkLocalMask = Uint8Array.of(0xff, 0xc0, ...new Uint8Array(14));
const linkLocal = Uint8Array.of(0xfe, 0x80, ...new Uint8Array(14));
const loopback6 = Uint8Array.of(...new Uint8Array(15), 1);

export const addressFields = {
  4: { source: field.ipSource, target: field.ipTarget },
  6: { source: field.ip6Source, target: field.ip6Target },
} as const satisfies Record<4 | 6, { source: Field; target: Field }>;

export const isFromLinkLocal6 = masked(field.ip6Source, linkLocalMask, linkLocal);
export const isToLoopback6 = equals(field.ip6Target, loopback6);

/** A frame of this EtherType, VLAN tag or not. */
export function isFrame(type: number): Statement {
  return equals(field.frameProtocol, Uint8Array.of(type >> 8, type & 0xff));
}

export const isArpFrame = isFrame(0x0806);
export const isIpv4Frame = isFrame(0x0800);
export const isIpv6Frame = isFrame(0x86dd);
const isIcmp6 = equals(field.protocol, Uint8Array.of(58));

/** ICMPv6 of a type; the family must be checked before. */
export function isIcmp6Type(type: number): Statement {
  return [...isIcmp6, ...equals(field.icmpType, Uint8Array.of(type))];
}

/** Types of ICMPv6 (RFC 4861). */
export const icmp6 = { advertisesRouter: 134, solicits: 135, advertises: 136, redirects: 137 } as const;

/**
 * A bit of a frame's mark that says, between two chains and only there: what br_netfilter handed to the main table has
 * passed it. Containers' marks end at their links, so none of them can set it.
 */
export const passedMark = 0x2000_0000;

/** A flow that is let through from one address to another: `allow_from`. */
export function allowFrom(when4: Statement, when6: Statement) {
  return ([4, 6] as const).map((version) => {
    const { source, target } = addressFields[version];
    const flow = [source, target, field.protocol, field.targetPort];
    return rule("", version === 4 ? when4 : when6, inSet(flow, `allow_from${version}`), verdict("accept"));
  });
}
