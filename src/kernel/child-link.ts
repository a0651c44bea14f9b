// What links on top of another link have in common: the message that creates one, and asking whether the kernel knows
// their kind at all.

import { hasCode } from "../util/errors.ts";
import { Encoder } from "./codec.ts";
import { aliasOf, encodeNetns, ifla, iflaInfo, linkHeader } from "./link.ts";
import type { Netlink } from "./netlink.ts";
import type { Request } from "./request.ts";
import { createFlags, rtm, say } from "./rtnetlink.ts";

/** A link that stands on another. */
export interface ChildSpec {
  readonly name: string;
  /** Index of the link below, in the namespace of the socket. */
  readonly parent: number;
  /** Chosen; fails with EBUSY when it is taken where the link shall be. */
  readonly index?: number;
  /** The parent's when absent. */
  readonly mtu?: number;
  readonly up?: boolean;
  /** Only for a link that stays in the socket's namespace: it is set once the link is there. */
  readonly alias?: string;
  /** Path of the namespace to make it in; the parent stays where it is. */
  readonly netns?: string;
}

/** RTM_NEWLINK for a kind; the parent's index is looked up where the socket is, the link made in `netns`. */
export function createChild(
  kind: string,
  spec: ChildSpec,
  parts: {
    readonly encode?: (encoder: Encoder) => void;
    readonly encodeData: (data: Encoder) => unknown;
    readonly words: string;
  },
): Request {
  const encoder = new Encoder().struct(linkHeader(spec.index, spec.up)).string(ifla.name, spec.name);
  encoder.u32(ifla.link, spec.parent);
  parts.encode?.(encoder);
  if (spec.mtu !== undefined) encoder.u32(ifla.mtu, spec.mtu);
  const files = spec.netns === undefined ? undefined : [encodeNetns(encoder, spec.netns)];
  encoder.nest(ifla.linkInfo, (info) =>
    info.string(iflaInfo.kind, kind).nest(iflaInfo.data, (data) => void parts.encodeData(data)),
  );
  return {
    type: rtm.newLink,
    flags: createFlags,
    payload: encoder.finish(),
    words: parts.words,
    ...(files && { files }),
    ...aliasOf(spec.name, spec.alias),
  };
}

/** The request in iproute2's words; `type` is the kind with its own options. */
export function childWords(
  spec: ChildSpec,
  { mac, type }: { readonly mac?: string | undefined; readonly type: string },
): string {
  return say(
    `ip link add ${spec.name} link if${spec.parent}`,
    spec.index !== undefined && `index ${spec.index}`,
    mac !== undefined && `address ${mac}`,
    spec.mtu !== undefined && `mtu ${spec.mtu}`,
    spec.up !== undefined && (spec.up ? "up" : "down"),
    spec.netns !== undefined && `netns ${spec.netns}`,
    `type ${type}`,
  );
}

/**
 * Whether the kernel can make links of a kind, loading a module if it has one. Nothing is made: the request carries a
 * multicast address, which no kind takes (`ops->validate`), and no parent; a kind that is not there is told apart by
 * EOPNOTSUPP (`rtnl_newlink` in net/core/rtnetlink.c).
 */
export async function hasLinkKind(netlink: Pick<Netlink, "send">, kind: string): Promise<boolean> {
  const encoder = new Encoder().struct(linkHeader()).bytes(ifla.address, Buffer.from("010000000001", "hex"));
  encoder.nest(ifla.linkInfo, (info) => info.string(iflaInfo.kind, kind));
  const payload = encoder.finish();
  const words = `ip link add address 01:00:00:00:00:01 type ${kind}`;
  try {
    await netlink.send({ type: rtm.newLink, flags: createFlags, payload, words });
  } catch (error) {
    if (hasCode(error, "EOPNOTSUPP")) return false;
    if (hasCode(error, "EADDRNOTAVAIL", "EINVAL")) return true;
    throw error;
  }
  throw new Error(`${words}: the kernel made what it cannot`);
}
