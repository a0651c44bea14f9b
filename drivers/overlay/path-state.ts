// What was found on a path, in words that say what to do.

import type { ClusterNode, PeerPath } from "../../src/driverapi/index.ts";
import { formatAddress, sameAddress } from "../../src/netip/index.ts";
import { optionNames } from "./options.ts";
import type { Finding } from "./probe-path.ts";

export interface PathEnds {
  readonly self: ClusterNode;
  readonly peer: ClusterNode;
  /** Whether the other host's lease lives. */
  readonly isAlive: boolean;
  /** It was found to be down before its host was. */
  readonly wasDown: boolean;
  /** Bytes of the packets that networks send. */
  readonly full: number;
  /** What a tunnel adds to each. */
  readonly overhead: number;
}

/** How a path is, and what is wrong with it. */
export function pathState(found: Finding, ends: PathEnds): Pick<PeerPath, "state" | "trouble"> {
  const { mtu, roundTripMs } = found;
  if (roundTripMs === undefined && hasPath(ends) && !ends.isAlive && !ends.wasDown) return { state: "away" };
  if (roundTripMs === undefined) return { state: "down", trouble: downText(ends) };
  if (mtu !== undefined && mtu < ends.full) return { state: "narrow", trouble: narrowText(mtu, ends) };
  return { state: "ok" };
}

/** Whether a tunnel can be between them. */
export function hasPath({ self, peer }: Pick<PathEnds, "self" | "peer">): boolean {
  return self.address.family === peer.address.family && !sameAddress(self.address, peer.address);
}

function downText({ self, peer, isAlive }: PathEnds): string {
  const [here, there] = [self, peer].map(({ address }) => formatAddress(address));
  if (sameAddress(self.address, peer.address))
    return `the host is on record with this host's address, ${here}: let it join again with its own`;
  if (!hasPath({ self, peer }))
    return `no tunnel leads from ${here} to ${there}: advertise addresses of one family on all hosts`;
  if (!isAlive) return "no packet comes back, and the host is down";
  const ports = [...new Set([self.dataPort, peer.dataPort])].join(" and ");
  return `no packet comes back: let UDP port ${ports} through between ${here} and ${there}, both ways`;
}

function narrowText(mtu: number, { full, overhead }: PathEnds): string {
  const underlay = mtu + overhead;
  return (
    `packets of ${full} bytes are lost, ${mtu} is the most that passes: carry ${full + overhead} bytes on the way between ` +
    `the hosts, or give the hosts' links an MTU of ${underlay}, or networks "-o ${optionNames.mtu}=${underlay}"`
  );
}
