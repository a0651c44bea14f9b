// The tables of the guard of tunnels as they are to be, by who may tunnel. Values alone, but for what an earlier process
// left.

import { createHash } from "node:crypto";
import { unless } from "../kernel/index.ts";
import { concatenate, linkField, type Nftables, portField, vniField } from "../kernel/nftables/index.ts";
import { type Address, addressBytes, sameAddress } from "../netip/index.ts";
import type { WantedTable } from "./nftables/drift.ts";
import { egressLayout, egressTable, extensions, hiding } from "./nftables/egress-chains.ts";
import { sealSet } from "./nftables/seal-chains.ts";
import { hasPortSet, tunnelLayout, tunnelTable } from "./nftables/tunnel-chains.ts";
import type { TunnelLinks } from "./tunnel-links.ts";
import { type EncryptionWish, sealRequestId } from "./tunnel-seals.ts";

/** Who may tunnel with this host. */
export interface TunnelWish {
  /** UDP ports of the tunnels: this host's, and those that others have instead. */
  readonly ports: readonly number[];
  /** The address that this host's packets come from. */
  readonly self: Address;
  /** The hosts of the cluster, this one included. */
  readonly nodes: readonly Address[];
  /** Networks whose datagrams are never in clear. */
  readonly encryption?: EncryptionWish | undefined;
}

/** One text for wishes that are the same; keys are in it by this alone. */
export function digest(wish: TunnelWish): string {
  const text = JSON.stringify(wish, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
  return createHash("sha256").update(text).digest("base64");
}

type Keys = readonly { readonly key: Uint8Array }[];

/** VNIs of encrypted networks; undefined: there are none. */
export async function sealedVnis(
  nftables: Nftables,
  wish: EncryptionWish | undefined,
): Promise<Keys | undefined> {
  if (!wish) return undefined;
  const old = wish.keepsOld
    ? await unless(["ENOENT"], nftables.elements(tunnelTable, sealSet.name))
    : undefined;
  const keys = unique([...wish.vnis.map(vniField), ...(old ?? []).map(({ key }) => key)]);
  return keys.length > 0 ? keys : undefined;
}

export function tunnelsFor(
  { ports, self, nodes }: TunnelWish,
  { links: { uplinks }, sealed }: { readonly links: TunnelLinks; readonly sealed: Keys | undefined },
): WantedTable {
  const keys = (addresses: readonly Address[], family: 4 | 6) =>
    unique(addresses.filter((address) => address.family === family).map(addressBytes));
  const others = nodes.filter((node) => node.family === self.family && !sameAddress(node, self));
  const known = unique(others.map((node) => concatenate(addressBytes(node), addressBytes(self))));
  const roads = { ports, uplinks: uplinks.map(({ index }) => index) };
  return {
    table: tunnelTable,
    layout: tunnelLayout(roads, sealed && { seals: { requestId: sealRequestId } }),
    elements: new Map([
      ...(hasPortSet(roads) ? [["ports", unique(ports.map(portField))] as const] : []),
      ["nodes4", keys(nodes, 4)],
      ["nodes6", keys(nodes, 6)],
      ["self4", keys([self], 4)],
      ["self6", keys([self], 6)],
      ["links", unique(uplinks.map(({ name }) => linkField(name)))],
      ["known4", self.family === 4 ? known : []],
      ["known6", self.family === 6 ? known : []],
      ...(sealed ? [[sealSet.name, sealed] as const] : []),
    ]),
  };
}

export function egressFor({ ports }: TunnelWish, devices: readonly string[]): WantedTable {
  const protocols = (numbers: readonly number[]) => unique(numbers.map((number) => Uint8Array.of(number)));
  return {
    table: egressTable,
    layout: egressLayout(devices),
    elements: new Map([
      ["ports", unique(ports.map(portField))],
      ["extensions", protocols(extensions)],
      ["hiding", protocols(hiding)],
    ]),
  };
}

function unique(keys: readonly Uint8Array[]): Keys {
  return [...new Map(keys.map((key) => [key.join(), { key }])).values()];
}
