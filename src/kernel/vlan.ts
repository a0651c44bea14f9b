// Creating VLAN sub-interfaces (802.1Q).

import { type ChildSpec, childWords, createChild } from "./child-link.ts";
import type { Request } from "./request.ts";

/** A sub-interface that sends and takes the frames of its parent that carry one tag. */
export interface VlanSpec extends Omit<ChildSpec, "netns"> {
  /** 1–4094. */
  readonly id: number;
}

/** IFLA_VLAN_* (linux/if_link.h). */
const iflaVlan = { id: 1 } as const;

/** `ip link add … link … type vlan id …`. Fails with EEXIST when the name, or the tag on this parent, is taken. */
export function createVlan(spec: VlanSpec): Request {
  return createChild("vlan", spec, {
    encodeData: (data) => data.u16(iflaVlan.id, spec.id),
    words: childWords(spec, { type: `vlan id ${spec.id}` }),
  });
}
