// What streams over an overlay are held against: namespaces wired by hand, without a filter anywhere and with all
// neighbours known. Tunnels go by hosts on the overlay's own LAN, with its MTU.

import {
  addAddress,
  addFdb,
  addNeighbour,
  createBridge,
  createNetns,
  createVeth,
  createVxlan,
  deleteNetns,
  deleteNetnsFolder,
  openNetlink,
  setLink,
  writeSysctl,
} from "../../src/kernel/index.ts";
import { parseAddress, parseMac, parsePrefix } from "../../src/netip/index.ts";
import type { Lan } from "./overlay-hosts.ts";

const port = 4790;
const mtu = 1450;

/** From where to where. */
export interface Path {
  /** Paths of namespaces. */
  readonly from: string;
  readonly to: string;
  /** The latter's. */
  readonly address: string;
}

/** Where tunnels begin and end. */
export interface TunnelHost {
  /** Path of its namespace. */
  readonly netns: string;
  readonly address: string;
}

interface TunnelWish {
  readonly name: string;
  /** Its own, where others go by the same hosts. */
  readonly vni: number;
  /** As the overlay has it: the tunnel on a bridge in a netns between, a veth pair from there. */
  readonly hasBridge: boolean;
  /** Two that are there, with all rules that they have; else it gets two of its own, which have none. */
  readonly hosts?: readonly TunnelHost[];
  /** Paths of the namespaces at its ends, which are there; else it gets two of its own. */
  readonly ends?: readonly string[];
}

/** A tunnel between two namespaces. */
export async function tunnelByHand(
  lan: Lan,
  { name, vni, hasBridge, hosts: given, ends: inners }: TunnelWish,
): Promise<Path & AsyncDisposable> {
  const folder = `/run/tsdocker-bench-${process.pid}-${name}`;
  const ends = ["a", "b"].map((end, at) => {
    const mac = parseMac(`02:00:00:00:00:0${at + 1}`);
    const address = parseAddress(`10.98.0.${at + 1}`);
    const prefix = parsePrefix(`10.98.0.${at + 1}/24`);
    if (!mac || !address || !prefix) throw new Error("no address for a tunnel's end");
    const inner = inners?.[at] ?? `${folder}/${end}`;
    const middle = hasBridge ? `${folder}/middle-${end}` : inner;
    return { host: given?.[at]?.netns ?? `${folder}/host-${end}`, middle, inner, mac, address, prefix };
  });
  const all = ends.flatMap(({ host, middle, inner }) => [host, middle, inner]);
  const paths = [...new Set(all)].filter((path) => path.startsWith(folder));
  for (const path of paths) await createNetns(path);
  const hosts = given?.map(({ address }) => address) ?? [];
  if (!given) for (const { host } of ends) hosts.push(await lan.plugIn(host));
  for (const [at, { host, middle, inner, mac, prefix }] of ends.entries()) {
    const [local, remote] = [parseAddress(hosts[at] ?? ""), parseAddress(hosts[1 - at] ?? "")];
    const other = ends[1 - at];
    if (!local || !remote || !other) throw new Error("no host for a tunnel's end");
    await using outside = await openNetlink(host);
    await outside.send(createVxlan({ name: "vx", vni, local, port, mtu, netns: middle }));
    if (hasBridge) await bridgeTunnel(middle, inner);
    await using between = await openNetlink(middle);
    await using inside = await openNetlink(inner);
    const tunnel = (await between.link("vx"))?.index ?? 0;
    const link = (await inside.link(hasBridge ? "eth0" : "vx"))?.index ?? 0;
    await between.send(
      setLink(tunnel, { up: true }),
      addFdb({ link: tunnel, mac: other.mac, destination: remote }, "replace"),
    );
    await inside.send(
      setLink(link, { mac, up: true }),
      addAddress({ link, prefix }),
      addNeighbour({ link, address: other.address, mac: other.mac }, { replace: true }),
    );
  }
  const [from, to] = ends;
  return {
    from: from?.inner ?? "",
    to: to?.inner ?? "",
    address: "10.98.0.2",
    [Symbol.asyncDispose]: () => removeAll(folder, paths),
  };
}

async function bridgeTunnel(middle: string, inner: string): Promise<void> {
  // as in an overlay's netns: with it the bridge has each frame pass IP's hooks too
  for (const kind of ["ip", "ip6", "arp"])
    await writeSysctl(`net/bridge/bridge-nf-call-${kind}tables`, 0, middle).catch(() => undefined);
  await using netlink = await openNetlink(middle);
  await netlink.send(createBridge({ name: "br0", mtu, up: true, multicastSnooping: false }));
  const master = (await netlink.link("br0"))?.index ?? 0;
  await netlink.send(
    setLink("vx", { master }),
    createVeth({ name: "port", mtu, master, up: true, peer: { name: "eth0", mtu, netns: inner } }),
  );
}

/** Two namespaces with a pair of links between them, without host, tunnel or bridge. */
export async function plainPair(): Promise<Path & AsyncDisposable> {
  const folder = `/run/tsdocker-bench-${process.pid}-plain`;
  const ends = ["a", "b"].map((name, at) => ({ inner: `${folder}/${name}`, text: `10.97.0.${at + 1}` }));
  const [one, two] = ends;
  if (!one || !two) throw new Error("a pair has two ends");
  for (const { inner } of ends) await createNetns(inner);
  await using here = await openNetlink(one.inner);
  await here.send(createVeth({ name: "eth0", mtu, peer: { name: "eth0", netns: two.inner, mtu } }));
  for (const { inner, text } of ends) {
    await using netlink = await openNetlink(inner);
    const prefix = parsePrefix(`${text}/24`);
    const link = (await netlink.link("eth0"))?.index ?? 0;
    if (prefix) await netlink.send(addAddress({ link, prefix }), setLink(link, { up: true }));
  }
  const path = { from: one.inner, to: two.inner, address: two.text };
  return { ...path, [Symbol.asyncDispose]: () => removeAll(folder, [one.inner, two.inner]) };
}

async function removeAll(folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) await deleteNetns(path);
  if (paths.length > 0) await deleteNetnsFolder(folder);
}
