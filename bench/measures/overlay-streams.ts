// One stream of bytes between containers on two hosts, beside tunnels made by hand between namespaces of the same kind and
// a pair of links without any tunnel; turns taken.

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
} from "../../src/kernel/index.ts";
import { parseAddress, parseMac, parsePrefix } from "../../src/netip/index.ts";
import { withSleeper } from "../containers.ts";
import { ask, serve } from "../load-children.ts";
import type { Bench } from "../measure.ts";
import { type Lan, netnsOf, type OverlayHosts, overlayName } from "./overlay-hosts.ts";
import { inspect } from "./overlay-starts.ts";

const repeats = 5;
const bytes = 2e9;
const questions = 5_000;
const vni = 77;
const port = 4790;

/** From where to where. */
interface Path {
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

export async function measureStreams(bench: Bench, { daemons, lan }: OverlayHosts): Promise<void> {
  const [one, two] = daemons;
  if (!one || !two) return;
  await using raw = await tunnelByHand(lan, { name: "raw", hasBridge: false });
  await using bridged = await tunnelByHand(lan, { name: "bridged", hasBridge: true });
  await using plain = await plainPair();
  await withSleeper(one.client, { network: overlayName }, async (oneId) => {
    await withSleeper(two.client, { network: overlayName }, async (twoId) => {
      const from = netnsOf((await inspect(one.client, oneId)).pid);
      const { pid, address } = await inspect(two.client, twoId);
      const overlay = { from, to: netnsOf(pid), address };
      for (let at = -1; at < repeats; at++) {
        const isKept = at >= 0;
        await send(bench, overlay, { over: "the overlay (floor: raw VXLAN)", by: "tsdockerd", isKept });
        await send(bench, raw, { over: "the overlay (floor: raw VXLAN)", by: "floor", isKept });
        await send(bench, bridged, { over: "VXLAN, a bridge and a veth pair, by hand", by: "floor", isKept });
        await send(bench, plain, { over: "a veth pair alone", by: "floor", isKept });
      }
    });
  });
}

interface Turn {
  readonly over: string;
  readonly by: "tsdockerd" | "floor";
  readonly isKept: boolean;
}

async function send(
  { report }: Bench,
  { from, to, address }: Path,
  { over, by, isKept }: Turn,
): Promise<void> {
  {
    await using _ = await serve({ netns: to, address, port: 9000 }, "sink");
    const seconds = await ask({ netns: from, address, port: 9000 }, "send", bytes);
    if (isKept) report.add(`one stream over ${over}`, by, (bytes * 8) / 1e9 / seconds, "Gbit/s");
  }
  await using _ = await serve({ netns: to, address, port: 9001 }, "echo");
  const seconds = await ask({ netns: from, address, port: 9001 }, "ask", questions);
  if (isKept) report.add(`round trip over ${over}`, by, (seconds * 1e6) / questions, "µs");
}

interface TunnelWish {
  readonly name: string;
  /** As the overlay has it: the tunnel on a bridge in a netns between, a veth pair from there. */
  readonly hasBridge: boolean;
}

/** Two namespaces with a tunnel between them, whose packets go by hosts on the same LAN; no filter anywhere. */
async function tunnelByHand(lan: Lan, { name, hasBridge }: TunnelWish): Promise<Path & AsyncDisposable> {
  const folder = `/run/tsdocker-bench-${process.pid}-${name}`;
  const ends = ["a", "b"].map((end, at) => {
    const mac = parseMac(`02:00:00:00:00:0${at + 1}`);
    const address = parseAddress(`10.98.0.${at + 1}`);
    const prefix = parsePrefix(`10.98.0.${at + 1}/24`);
    if (!mac || !address || !prefix) throw new Error("no address for a tunnel's end");
    const inner = `${folder}/${end}`;
    const middle = hasBridge ? `${folder}/middle-${end}` : inner;
    return { host: `${folder}/host-${end}`, middle, inner, mac, address, prefix };
  });
  const paths = [...new Set(ends.flatMap(({ host, middle, inner }) => [host, middle, inner]))];
  for (const path of paths) await createNetns(path);
  const hosts: string[] = [];
  for (const { host } of ends) hosts.push(await lan.plugIn(host));
  for (const [at, { host, middle, inner, mac, prefix }] of ends.entries()) {
    const [local, remote] = [parseAddress(hosts[at] ?? ""), parseAddress(hosts[1 - at] ?? "")];
    const other = ends[1 - at];
    if (!local || !remote || !other) throw new Error("no host for a tunnel's end");
    await using outside = await openNetlink(host);
    await outside.send(createVxlan({ name: "vx", vni, local, port, mtu: 1450, netns: middle }));
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
  await using netlink = await openNetlink(middle);
  await netlink.send(createBridge({ name: "br0", mtu: 1450, up: true, multicastSnooping: false }));
  const master = (await netlink.link("br0"))?.index ?? 0;
  await netlink.send(
    setLink("vx", { master }),
    createVeth({
      name: "port",
      mtu: 1450,
      master,
      up: true,
      peer: { name: "eth0", mtu: 1450, netns: inner },
    }),
  );
}

async function plainPair(): Promise<Path & AsyncDisposable> {
  const folder = `/run/tsdocker-bench-${process.pid}-plain`;
  const ends = ["a", "b"].map((name, at) => ({ inner: `${folder}/${name}`, text: `10.97.0.${at + 1}` }));
  const [one, two] = ends;
  if (!one || !two) throw new Error("a pair has two ends");
  for (const { inner } of ends) await createNetns(inner);
  await using here = await openNetlink(one.inner);
  await here.send(
    createVeth({ name: "eth0", mtu: 1450, peer: { name: "eth0", netns: two.inner, mtu: 1450 } }),
  );
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
  await deleteNetnsFolder(folder);
}
