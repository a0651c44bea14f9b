// Creating macvlan links: each has a MAC of its own on a parent link, and may be made in another namespace at once.

import { type Mac, macBytes } from "../netip/index.ts";
import { type ChildSpec, childWords, createChild } from "./child-link.ts";
import { ifla } from "./link.ts";
import type { Request } from "./request.ts";

/** Who may talk to whom on one parent (`ip link … type macvlan mode …`). */
export type MacvlanMode = "bridge" | "private" | "vepa" | "passthru";

/** A macvlan to create. */
export interface MacvlanSpec extends ChildSpec {
  /** Random when absent; in mode passthru the parent's, whatever is said here (`macvlan_common_newlink`). */
  readonly mac?: Mac;
  readonly mode: MacvlanMode;
}

/** IFLA_MACVLAN_* (linux/if_link.h). */
const iflaMacvlan = { mode: 1 } as const;

/** MACVLAN_MODE_* (linux/if_link.h). */
const modes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/**
 * `ip link add … link … type macvlan`. Fails with EEXIST (name), EBUSY (index; or the parent is a port or carries
 * ipvlan links), EINVAL (an MTU above the parent's; a second link on a parent in mode passthru).
 */
export function createMacvlan(spec: MacvlanSpec): Request {
  return createChild("macvlan", spec, {
    encode: (encoder) => {
      if (spec.mac !== undefined) encoder.bytes(ifla.address, macBytes(spec.mac));
    },
    encodeData: (data) => data.u32(iflaMacvlan.mode, modes[spec.mode]),
    words: childWords(spec, {
      mac: spec.mac,
      type: `macvlan mode ${spec.mode}`,
    }),
  });
}
