// Policies (struct xfrm_userpolicy_info): which packets that leave must go by which association.

import { formatAddress } from "../netip/index.ts";
import { Attributes, Encoder, nlmFlag } from "./codec.ts";
import type { Request } from "./request.ts";
import { familyNumber } from "./rtnetlink.ts";
import {
  esp,
  readSelector,
  selectorSize,
  transportMode,
  writeAddress,
  writeSelector,
  type XfrmSelector,
  xfrmAttribute,
  xfrmMessage,
} from "./xfrm-layout.ts";

/** Packets that leave are sealed by ESP in transport mode, or dropped where there is no such association. */
export interface SealPolicy {
  readonly selector: XfrmSelector;
  /** Packets with this mark alone. */
  readonly mark: { readonly value: number; readonly mask: number };
  /** Of the association. */
  readonly requestId: number;
  readonly spi: number;
}

/** Places in struct xfrm_userpolicy_info, in bytes. */
const at = { limits: 56, priority: 152, direction: 160, size: 168 } as const;
/** Places in struct xfrm_user_tmpl. */
const templateAt = {
  target: 0,
  spi: 16,
  protocol: 20,
  family: 24,
  source: 28,
  requestId: 44,
  mode: 48,
  algorithms: 52,
  size: 64,
} as const;
/** XFRM_POLICY_OUT. */
const out = 1;
/** Before policies of others, which mostly are above 100,000 (charon) or 0 by hand. */
const priority = 1;

/** XFRM_MSG_UPDPOLICY: makes it, or changes the association of the one that there is. */
export function setPolicy(policy: SealPolicy): Request {
  const info = Buffer.alloc(at.size);
  writeSelector(info, policy.selector);
  info.fill(0xff, at.limits, at.limits + 32);
  info.writeUInt32LE(priority, at.priority);
  info.writeUInt8(out, at.direction);
  const encoder = new Encoder().struct(info).bytes(xfrmAttribute.template, template(policy));
  const payload = encoder.bytes(xfrmAttribute.mark, markOf(policy)).finish();
  const words = `ip xfrm policy update ${name(policy)} tmpl spi 0x${policy.spi.toString(16)}`;
  return { type: xfrmMessage.updatePolicy, flags: nlmFlag.ack, payload, words };
}

/** XFRM_MSG_DELPOLICY. ENOENT when there is none. */
export function deletePolicy(policy: Pick<SealPolicy, "selector" | "mark">): Request {
  const id = Buffer.alloc(64);
  writeSelector(id, policy.selector);
  id.writeUInt8(out, 60);
  const payload = new Encoder().struct(id).bytes(xfrmAttribute.mark, markOf(policy)).finish();
  const words = `ip xfrm policy delete ${name(policy)}`;
  return { type: xfrmMessage.deletePolicy, flags: nlmFlag.ack, payload, words };
}

/** `ip xfrm policy`: a dump. */
export function listPolicies(): Request {
  return { type: xfrmMessage.getPolicy, flags: 0, payload: Buffer.alloc(0), words: "ip xfrm policy list" };
}

/** Reads the payload of XFRM_MSG_NEWPOLICY; undefined for what is no such policy. */
export function decodePolicy(payload: Buffer): SealPolicy | undefined {
  if (payload.length < at.size || payload.readUInt8(at.direction) !== out) return undefined;
  const selector = readSelector(payload.subarray(0, selectorSize));
  const attributes = new Attributes(payload.subarray(at.size));
  const found = attributes.bytes(xfrmAttribute.template);
  const mark = attributes.bytes(xfrmAttribute.mark);
  if (!selector || !mark || found?.length !== templateAt.size) return undefined;
  return {
    selector,
    mark: { value: mark.readUInt32LE(0), mask: mark.readUInt32LE(4) },
    requestId: found.readUInt32LE(templateAt.requestId),
    spi: found.readUInt32BE(templateAt.spi),
  };
}

function template({ selector: { source, target }, requestId, spi }: SealPolicy): Buffer {
  const value = Buffer.alloc(templateAt.size);
  writeAddress(value, templateAt.target, target);
  value.writeUInt32BE(spi, templateAt.spi);
  value.writeUInt8(esp, templateAt.protocol);
  value.writeUInt16LE(familyNumber(target.family), templateAt.family);
  writeAddress(value, templateAt.source, source);
  value.writeUInt32LE(requestId, templateAt.requestId);
  value.writeUInt8(transportMode, templateAt.mode);
  // any algorithm that the association has
  value.fill(0xff, templateAt.algorithms, templateAt.size);
  return value;
}

/** struct xfrm_mark. */
function markOf({ mark }: Pick<SealPolicy, "mark">): Buffer {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(mark.value, 0);
  value.writeUInt32LE(mark.mask, 4);
  return value;
}

function name({ selector: { source, target, targetPort } }: Pick<SealPolicy, "selector">): string {
  return `src ${formatAddress(source)} dst ${formatAddress(target)} dport ${targetPort} dir out`;
}
