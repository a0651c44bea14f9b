// Which of the kernel's notifications tell of something that is not as it should be. Our own changes tell of what is
// wanted; what was overtaken meanwhile looks strange, and costs a comparison.

import type { NetworkEvent } from "../../src/driverapi/index.ts";
import { formatAddress } from "../../src/netip/index.ts";
import { type FabricLinks, rowOfEntry, rowOfNeighbour } from "./kernel-rows.ts";
import { type Row, rowKey, rowText } from "./rows.ts";

/** What the netns should be. */
export interface Expectation {
  readonly links: FabricLinks;
  /** Indexes of containers' ports. */
  readonly ports: ReadonlySet<number>;
  readonly mtu: number;
  /** The row of a key, if one is wanted. */
  readonly wanted: (key: string) => Row | undefined;
}

export function isStrange(event: NetworkEvent, expected: Expectation): boolean {
  switch (event.kind) {
    case "lost":
      return true;
    case "fdb":
      return isStrangeEntry(event, expected);
    case "neighbour":
      return isStrangeNeighbour(event, expected);
    case "address":
      return event.gone && event.address.link === expected.links.bridge;
    case "route":
      return event.gone && event.route.link === expected.links.bridge;
    case "link":
      return isStrangeLink(event, expected);
  }
}

function isStrangeEntry(
  { gone, entry }: Extract<NetworkEvent, { kind: "fdb" }>,
  { links, wanted }: Expectation,
): boolean {
  const row = rowOfEntry(entry, links);
  // an address of the bridge's own, or one that was learnt, in the place of ours
  if (!row) return !gone && !entry.self && wanted(`port ${entry.mac}`) !== undefined;
  return isStrangeRow(gone, row, wanted);
}

function isStrangeNeighbour(
  { gone, neighbour }: Extract<NetworkEvent, { kind: "neighbour" }>,
  { links, wanted }: Expectation,
): boolean {
  const row = rowOfNeighbour(neighbour, links);
  if (row && !gone) return isStrangeRow(gone, row, wanted);
  // it goes by way of other states, and without its MAC
  return wanted(`neighbour ${neighbour.link} ${formatAddress(neighbour.address)}`) !== undefined;
}

function isStrangeRow(gone: boolean, row: Row, wanted: Expectation["wanted"]): boolean {
  const own = wanted(rowKey(row));
  const isWanted = own !== undefined && rowText(own) === rowText(row);
  return gone === isWanted;
}

function isStrangeLink(
  { gone, link }: Extract<NetworkEvent, { kind: "link" }>,
  { links, ports, mtu }: Expectation,
): boolean {
  const { index } = link;
  const isTunnel = [...links.tunnels.values()].includes(index);
  if (index === links.bridge) return gone || !link.up || link.mtu !== mtu;
  if (isTunnel) return gone || !link.up || link.mtu !== mtu || link.master !== links.bridge;
  return ports.has(index) && !gone && (!link.up || link.master !== links.bridge);
}
