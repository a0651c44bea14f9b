// Creating ipvlan links: they share their parent's MAC and are told apart by their addresses.

import { type ChildSpec, childWords, createChild } from "./child-link.ts";
import type { Request } from "./request.ts";

/** One for all ipvlan links of a parent: the last one made decides. */
export type IpvlanMode = "l2" | "l3" | "l3s";

/** Who may talk to whom on one parent. */
export type IpvlanFlag = "bridge" | "private" | "vepa";

/** An ipvlan to create. */
export interface IpvlanSpec extends ChildSpec {
  readonly mode: IpvlanMode;
  readonly flag: IpvlanFlag;
}

/** IFLA_IPVLAN_* (linux/if_link.h). */
const iflaIpvlan = { mode: 1, flags: 2 } as const;

/** IPVLAN_MODE_* and IPVLAN_F_* (linux/if_link.h). */
const modes = { l2: 0, l3: 1, l3s: 2 } as const;
const flags = { bridge: 0, private: 0x01, vepa: 0x02 } as const;

/** `ip link add … link … type ipvlan`. Fails with EEXIST (name), EBUSY (index; or the parent has another use). */
export function createIpvlan(spec: IpvlanSpec): Request {
  return createChild("ipvlan", spec, {
    encodeData: (data) => data.u16(iflaIpvlan.mode, modes[spec.mode]).u16(iflaIpvlan.flags, flags[spec.flag]),
    words: childWords(spec, { type: `ipvlan mode ${spec.mode} ${spec.flag}` }),
  });
}
