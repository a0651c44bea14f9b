// One stream of bytes between containers on two hosts, beside a tunnel made by hand between namespaces of the same kind and
// a pair of links without any tunnel; turns taken.

import {
  addAddress,
  addFdb,
  addNeighbour,
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

const repeats = 7;
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
  await using raw = await rawTunnel(lan);
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

/** Two namespaces with a VXLAN link each, whose packets go by hosts on the same LAN: no bridge, no filter. */
async function rawTunnel(lan: Lan): Promise<Path & AsyncDisposable> {
  const folder = `/run/tsdocker-bench-${process.pid}-raw`;
  const ends = ["a", "b"].map((name, at) => {
    const mac = parseMac(`02:00:00:00:00:0${at + 1}`);
    const address = parseAddress(`10.98.0.${at + 1}`);
    const prefix = parsePrefix(`10.98.0.${at + 1}/24`);
    if (!mac || !address || !prefix) throw new Error("no address for a tunnel's end");
    return { host: `${folder}/host-${name}`, inner: `${folder}/${name}`, mac, address, prefix };
  });
  const hosts: string[] = [];
  for (const { host, inner } of ends) {
    await createNetns(host);
    await createNetns(inner);
    hosts.push(await lan.plugIn(host));
  }
  for (const [at, { host, inner, mac, prefix }] of ends.entries()) {
    const [local, remote] = [parseAddress(hosts[at] ?? ""), parseAddress(hosts[1 - at] ?? "")];
    const other = ends[1 - at];
    if (!local || !remote || !other) throw new Error("no host for a tunnel's end");
    await using outside = await openNetlink(host);
    await outside.send(createVxlan({ name: "vx", vni, local, port, proxy: false, mtu: 1450, netns: inner }));
    await using inside = await openNetlink(inner);
    const link = (await inside.link("vx"))?.index ?? 0;
    await inside.send(
      setLink(link, { mac, up: true }),
      addAddress({ link, prefix }),
      addFdb({ link, mac: other.mac, destination: remote }, "replace"),
      addNeighbour({ link, address: other.address, mac: other.mac }, { replace: true }),
    );
  }
  const paths = ends.flatMap(({ host, inner }) => [inner, host]);
  return { ...pathOf(ends), [Symbol.asyncDispose]: () => removeAll(folder, paths) };
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

function pathOf(ends: readonly { readonly inner: string }[]): Path {
  return { from: ends[0]?.inner ?? "", to: ends[1]?.inner ?? "", address: "10.98.0.2" };
}

async function removeAll(folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) await deleteNetns(path);
  await deleteNetnsFolder(folder);
}
