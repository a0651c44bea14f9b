// Creating macvlan links: each has a MAC of its own on a parent link, and may be made in another namespace at once.

import { type Mac, macBytes } from "../netip/index.ts";
import { type ChildSpec, childWords, createChild } from "./child-link.ts";
import { Encoder, nlmFlag } from "./codec.ts";
import { ifla, iflaInfo, linkHeader } from "./link.ts";
import { iflaMacvlan, type MacvlanMode, macvlanModes } from "./macvlan-attributes.ts";
import type { Request } from "./request.ts";
import { rtm } from "./rtnetlink.ts";

/** A macvlan to create. */
export interface MacvlanSpec extends ChildSpec {
  /** Random when absent; in mode passthru the parent's, whatever is said here (`macvlan_common_newlink`). */
  readonly mac?: Mac;
  readonly mode: MacvlanMode;
}

/** `ip link set … type macvlan mode`. Fails with EINVAL into and out of passthru. */
export function setMacvlanMode(link: number, mode: MacvlanMode): Request {
  const encoder = new Encoder().struct(linkHeader(link));
  encoder.nest(ifla.linkInfo, (info) =>
    info
      .string(iflaInfo.kind, "macvlan")
      .nest(iflaInfo.data, (data) => void data.u32(iflaMacvlan.mode, macvlanModes[mode])),
  );
  const words = `ip link set if${link} type macvlan mode ${mode}`;
  return { type: rtm.newLink, flags: nlmFlag.ack, payload: encoder.finish(), words };
}

/**
 * `ip link add … link … type macvlan`. Fails with EEXIST (name), EBUSY (index; or the parent is a port or carries
 * ipvlan links), EINVAL (an MTU above the parent's; a second link on a parent in mode passthru).
 */
export function createMacvlan(spec: MacvlanSpec): Request {
  return createChild("macvlan", spec, {
    encode: (encoder) => {
      if (spec.mac !== undefined) encoder.bytes(ifla.address, macBytes(spec.mac));
    },
    encodeData: (data) => data.u32(iflaMacvlan.mode, macvlanModes[spec.mode]),
    words: childWords(spec, {
      mac: spec.mac,
      type: `macvlan mode ${spec.mode}`,
    }),
  });
}
