// What a host's kernel says of a network, and what it ought to say by the store's records: forwarding entries,
// neighbours, routes, and what the short cut knows.

import type { PublishedEndpoint } from "../../../drivers/overlay/shared.ts";
import {
  deleteFdb,
  deleteNeighbour,
  deleteRoute,
  openNetlink,
  type Request,
} from "../../../src/kernel/index.ts";
import { type Address, formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { shortCut } from "./overlay-short-cuts.ts";
import { networkId, type OverlayHost } from "./overlay-world.ts";

/** The network's records, as a host has them. */
export async function recordsOf({ cluster }: OverlayHost): Promise<readonly PublishedEndpoint[]> {
  const table = await cluster.table<PublishedEndpoint>("overlay-endpoints");
  return [...table.entries(`${networkId}/`)].map(({ value }) => value);
}

/** Sorted lines; none on a host that does not carry the network. */
export async function kernelView(host: OverlayHost): Promise<string[]> {
  if ((await host.host.netns.list()).length === 0) return [];
  const netns = host.netns();
  return [...(await viewOf(netns)), ...(await host.shortCuts.view(netns))].sort();
}

/** Of a network's netns, by path. */
export async function viewOf(netns: string): Promise<string[]> {
  await using netlink = await openNetlink(netns);
  const links = new Map((await netlink.links()).map((link) => [link.index, link]));
  const entries = (await netlink.fdb()).flatMap(({ link, mac, destination, static: isStatic }) => {
    if (destination) return [`${mac} to ${formatAddress(destination)}`];
    return isStatic ? [`${mac} by ${links.get(link)?.kind}`] : [];
  });
  const neighbours = (await netlink.neighbours()).flatMap(({ permanent, address, mac }) =>
    permanent ? [`${formatAddress(address)} is ${mac}`] : [],
  );
  const routes = (await netlink.routes()).flatMap(({ destination, link = 0 }) =>
    destination && links.get(link)?.kind === "bridge" ? [`${formatPrefix(destination)} is here`] : [],
  );
  return [...entries, ...neighbours, ...routes.filter((line) => !line.startsWith("fe80::/64"))].sort();
}

/** The same by the records. */
export async function wantedView(host: OverlayHost, subnets: readonly string[]): Promise<string[]> {
  const { nodes, self } = host.cluster;
  const addressOf = (id: string) => nodes.get(id)?.value.address;
  const wanted = wantedOf(await recordsOf(host), { self: self.id, addressOf, subnets });
  return host.shortCuts.areThere ? [...wanted, ...shortCutsOf(wanted)].sort() : wanted;
}

/** The bridge's forwarding entries once more. */
function shortCutsOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [mac = "", by, kind = ""] = line.split(" ");
    return by === "by" ? [shortCut(mac, kind)] : [];
  });
}

/** By records, wherever they were read. */
export function wantedOf(
  records: readonly PublishedEndpoint[],
  place: {
    readonly self: string;
    readonly addressOf: (node: string) => Address | undefined;
    readonly subnets: readonly string[];
  },
): string[] {
  const { self, addressOf, subnets } = place;
  if (!records.some(({ node }) => node === self)) return [];
  const rows = records.flatMap(({ node, mac, addresses }) => {
    if (node === self) return [`${mac} by veth`];
    const at = addressOf(node);
    const texts = addresses.map((address) => `${formatAddress(address)} is ${mac}`);
    return [`${mac} to ${at && formatAddress(at)}`, `${mac} by vxlan`, ...texts];
  });
  return [...rows, ...subnets.map((subnet) => `${subnet} is here`)].sort();
}

/** Takes a row that a host's kernel has away, as somebody with iproute2 would; not of `spared` MACs. */
export async function deleteSomeRow(
  host: OverlayHost,
  choose: (below: number) => number,
  spared: ReadonlySet<string>,
): Promise<string> {
  await using netlink = await openNetlink(host.netns());
  const bridge = (await netlink.links()).find(({ kind }) => kind === "bridge");
  const rows: Request[] = [
    ...(await netlink.fdb())
      .filter(({ mac, destination, static: isStatic }) => !spared.has(mac) && (destination || isStatic))
      .map(({ link, mac, destination, self }) =>
        deleteFdb(
          destination || self
            ? { link, mac, ...(destination && { destination }) }
            : { link, mac, table: "master" },
        ),
      ),
    ...(await netlink.neighbours())
      .filter(({ mac, permanent }) => permanent && mac && !spared.has(mac))
      .map(({ link, address }) => deleteNeighbour({ link, address })),
    ...(await netlink.routes())
      .filter(({ link }) => link === bridge?.index)
      .flatMap(({ family, destination, link }) =>
        destination && link !== undefined ? [deleteRoute({ family, destination, link })] : [],
      ),
  ];
  const row = rows[choose(rows.length)];
  if (!row) return "nothing";
  // the walk goes on while it is read: a row may be gone by itself
  await netlink.send(row).catch(() => undefined);
  return row.words;
}
