// What a network's links are to know of its endpoints, as rows. Pure: the kernel's tables are in kernel-rows.ts.

import type { ClusterNode } from "../../src/driverapi/index.ts";
import { type Address, formatAddress, type Mac, parseMac, sameAddress } from "../../src/netip/index.ts";
import type { PublishedEndpoint } from "./shared.ts";

export type Row =
  /** A tunnel's forwarding entry: the host behind which a MAC is. */
  | TunnelRow
  /** A tunnel's: a host that broadcasts and multicasts go to. */
  | FloodRow
  /** The bridge's: the port behind which a MAC is, a container's or a tunnel. */
  | { readonly kind: "port"; readonly mac: Mac; readonly link: number }
  /** A tunnel's neighbour, which it answers ARP and neighbour solicitations from. */
  | { readonly kind: "neighbour"; readonly link: number; readonly address: Address; readonly mac: Mac };

export interface TunnelRow {
  readonly kind: "tunnel";
  /** Index of the tunnel. */
  readonly link: number;
  readonly mac: Mac;
  readonly to: Address;
  /** Where it is not the tunnel's own. */
  readonly port?: number;
}

export interface FloodRow {
  readonly kind: "flood";
  readonly link: number;
  readonly to: Address;
  readonly port?: number;
}

/** The MAC under which a VXLAN link keeps where everything else goes. */
export const everyMac = parseMac("00:00:00:00:00:00") as Mac;

/** What two rows cannot both be about: of rows with one key only one can be. */
export function rowKey(row: Row): string {
  switch (row.kind) {
    case "tunnel":
      return `tunnel ${row.link} ${row.mac}`;
    case "flood":
      return `flood ${row.link} ${formatAddress(row.to)}`;
    case "port":
      return `port ${row.mac}`;
    case "neighbour":
      return `neighbour ${row.link} ${formatAddress(row.address)}`;
  }
}

/** All that a row says. */
export function rowText(row: Row): string {
  switch (row.kind) {
    case "tunnel":
      return `${rowKey(row)} ${formatAddress(row.to)} ${row.port ?? ""}`;
    case "flood":
      return `${rowKey(row)} ${row.port ?? ""}`;
    case "port":
      return `${rowKey(row)} ${row.link}`;
    case "neighbour":
      return `${rowKey(row)} ${row.mac}`;
  }
}

/** What rows are made from: the network's links on this host, and who it is. */
export interface RowPlace {
  readonly self: ClusterNode;
  /** Index of the tunnel of each VNI. */
  readonly tunnels: ReadonlyMap<number, number>;
  /** The tunnel of broadcasts and multicasts, if the network has them. */
  readonly floods: number | undefined;
}

/** The rows of an endpoint on another host. None for one on a host that this one cannot reach, or of no segment here. */
export function remoteRows(
  { mac, addresses, vni }: PublishedEndpoint,
  node: ClusterNode | undefined,
  { self, tunnels, floods }: RowPlace,
): Row[] {
  const link = tunnels.get(vni);
  if (!node || link === undefined || node.address.family !== self.address.family) return [];
  // somebody else's record with our address: frames to ourselves would never arrive
  if (sameAddress(node.address, self.address)) return [];
  const far = { to: node.address, ...(node.dataPort !== self.dataPort && { port: node.dataPort }) };
  return [
    { kind: "tunnel", link, mac, ...far },
    { kind: "port", mac, link },
    ...addresses.map((address): Row => ({ kind: "neighbour", link, address, mac })),
    ...(floods === undefined ? [] : [{ kind: "flood", link: floods, ...far } as const]),
  ];
}

/** What is to be changed so that a table which holds `is` holds `wanted`. Additions replace what has their key. */
export function rowChanges(
  wanted: Iterable<Row>,
  is: Iterable<Row>,
): { readonly added: Row[]; readonly removed: Row[] } {
  const missing = new Map([...wanted].map((row) => [rowText(row), row]));
  const keys = new Set([...missing.values()].map(rowKey));
  const strange: Row[] = [];
  for (const row of is) if (!missing.delete(rowText(row))) strange.push(row);
  // a neighbour is deleted by its address alone: that would take what has replaced it
  const removed = strange.filter((row) => row.kind !== "neighbour" || !keys.has(rowKey(row)));
  return { added: [...missing.values()], removed };
}
