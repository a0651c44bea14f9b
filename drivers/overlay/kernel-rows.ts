// Rows as the kernel has them: forwarding entries of tunnels and bridge, neighbours of tunnels.

import type { DriverNetns, FdbEntry, Host, Neighbour, Request } from "../../src/driverapi/index.ts";
import { everyMac, type Row } from "./rows.ts";

/** A network's links in its netns, by index. */
export interface FabricLinks {
  readonly bridge: number;
  /** By VNI. */
  readonly tunnels: ReadonlyMap<number, number>;
}

/** The row that a forwarding entry is; undefined for one that the kernel keeps for itself, or learnt. */
export function rowOfEntry(entry: FdbEntry, { bridge, tunnels }: FabricLinks): Row | undefined {
  const { link, mac, destination: to, port } = entry;
  if (!entry.self) return entry.static && entry.master === bridge ? { kind: "port", mac, link } : undefined;
  if (!to || ![...tunnels.values()].includes(link)) return undefined;
  const far = { link, to, ...(port !== undefined && { port }) };
  return mac === everyMac ? { kind: "flood", ...far } : { kind: "tunnel", mac, ...far };
}

/** The row that a neighbour is; undefined for those of other links, and those that come and go by themselves. */
export function rowOfNeighbour(
  { link, address, mac, permanent }: Neighbour,
  { tunnels }: FabricLinks,
): Row | undefined {
  if (!permanent || !mac || ![...tunnels.values()].includes(link)) return undefined;
  return { kind: "neighbour", link, address, mac };
}

/** All that the kernel has of our shape, foreign rows too. */
export async function readRows(netns: DriverNetns, links: FabricLinks): Promise<Row[]> {
  const [entries, neighbours] = await Promise.all([netns.netlink.fdb(), netns.netlink.neighbours()]);
  return [
    ...entries.flatMap((entry) => rowOfEntry(entry, links) ?? []),
    ...neighbours.flatMap((neighbour) => rowOfNeighbour(neighbour, links) ?? []),
  ];
}

/** Adds before it deletes. A row or a link that somebody took away meanwhile is no error: the next comparison sees it. */
export async function writeRows(
  { link: kernel }: Pick<Host, "link">,
  netns: DriverNetns,
  { added, removed }: { readonly added: readonly Row[]; readonly removed: readonly Row[] },
): Promise<void> {
  const { netlink } = netns;
  if (added.length > 0)
    await kernel.unless(["ENODEV"], netlink.send(...added.map((row) => addition(kernel, row))));
  if (removed.length > 0)
    await kernel.unless(["ENOENT", "ENODEV"], netlink.send(...removed.map((row) => deletion(kernel, row))));
}

function addition(kernel: Host["link"], row: Row): Request {
  switch (row.kind) {
    case "tunnel":
      return kernel.addFdb(entryOf(row), "replace");
    case "flood":
      // one MAC with many destinations: a replacement would be of the first of them
      return kernel.addFdb(entryOf(row), "append");
    case "port":
      return kernel.addFdb({ link: row.link, mac: row.mac, static: true, table: "master" }, "replace");
    case "neighbour":
      return kernel.addNeighbour(row, { replace: true });
  }
}

function deletion(kernel: Host["link"], row: Row): Request {
  switch (row.kind) {
    case "tunnel":
    case "flood":
      return kernel.deleteFdb(entryOf(row));
    case "port":
      return kernel.deleteFdb({ link: row.link, mac: row.mac, table: "master" });
    case "neighbour":
      return kernel.deleteNeighbour(row);
  }
}

function entryOf(row: Extract<Row, { kind: "tunnel" | "flood" }>) {
  const { link, to, port } = row;
  const mac = row.kind === "flood" ? everyMac : row.mac;
  return { link, mac, destination: to, ...(port !== undefined && { port }) };
}
