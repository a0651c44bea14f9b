// What a message says of a macvlan link.

import type { Attributes } from "./attributes.ts";

/** Who may talk to whom on one parent (`ip link … type macvlan mode …`). */
export type MacvlanMode = "bridge" | "private" | "vepa" | "passthru";

/** IFLA_MACVLAN_* (linux/if_link.h). */
export const iflaMacvlan = { mode: 1 } as const;

/** MACVLAN_MODE_* (linux/if_link.h). */
export const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

/** Reads IFLA_INFO_DATA of a link of kind `macvlan`; undefined for a mode that has no name here (source). */
export function decodeMacvlanMode(data: Attributes): MacvlanMode | undefined {
  const mode = data.u32(iflaMacvlan.mode);
  return (["bridge", "private", "vepa", "passthru"] as const).find((name) => macvlanModes[name] === mode);
}
