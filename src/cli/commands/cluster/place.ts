// Flags by which a host says how it takes part in a cluster.

import { type FlagSpec, text, uint16 } from "../../flags/spec.ts";
import type { FlagValues } from "../../flags/values.ts";

export const placeFlags: readonly FlagSpec[] = [
  text("advertise", "Address or interface of this host for the other hosts (format: <ip|interface>[:port])"),
  text("listen", "Address on which hosts that join are heard (default: the advertised one)"),
  uint16("data-port", "UDP port of the tunnels between hosts (default 4789)"),
];

/** The fields of a request that these flags make. */
export function placeOf(flags: FlagValues) {
  return {
    AdvertiseAddr: flags.string("advertise"),
    ListenAddr: flags.string("listen"),
    DataPort: flags.number("data-port"),
  };
}
