// One TCP stream, and questions one after the other, between containers on two hosts; beside the same between namespaces
// wired by hand, turns taken. `floor` is, row by row: VXLAN devices alone, which the containers' namespaces hold themselves,
// by the same two hosts; the same between others by two that have no rules at all; VXLAN by the same two hosts, with a
// bridge and a veth pair at each end, as the overlay is without its guards and its short cut; and a veth pair alone.
//
// A stream of ours is all the kernel's work: nothing is copied at either end. What programs get, iperf3 tells.
//
// All is on one machine: both ends' work is one's. Processor time (of sender, receiver and the kernel's own threads for
// packets) depends least on what else the machine does; packets are of some 43 kB on the way, which is the kernel's doing.

import { readdir, readFile } from "node:fs/promises";
import { withSleeper } from "../containers.ts";
import { ask, askWithCost, iperf, serve } from "../load-children.ts";
import type { Bench } from "../measure.ts";
import { meanOf } from "../summary.ts";
import { type Path, plainPair, tunnelByHand } from "./overlay-by-hand.ts";
import { netnsOf, type OverlayHosts, overlayName } from "./overlay-hosts.ts";
import { inspect } from "./overlay-starts.ts";

const repeats = 8;
const bytes = 2e9;
const questions = 5_000;
const iperfRepeats = 4;
const iperfStreams = [1, 4];
/** Streams vary by a tenth from one to the next: how many pairs tell one or two hundredths. */
const pairs = 40;

export async function measureStreams(bench: Bench, { daemons, lan }: OverlayHosts): Promise<void> {
  const [one, two] = daemons;
  if (!one || !two) return;
  const hosts = [one, two].map(({ child }, at) => ({
    netns: netnsOf(child.pid),
    address: `192.0.2.${at + 1}`,
  }));
  await withSleeper(one.client, { network: overlayName }, async (oneId) => {
    await withSleeper(two.client, { network: overlayName }, async (twoId) => {
      const from = netnsOf((await inspect(one.client, oneId)).pid);
      const { pid, address } = await inspect(two.client, twoId);
      const overlay = { from, to: netnsOf(pid), address };
      const ends = [overlay.from, overlay.to];
      await using beside = await tunnelByHand(lan, {
        name: "beside",
        vni: 77,
        hasBridge: false,
        hosts,
        ends,
      });
      await using alone = await tunnelByHand(lan, { name: "raw", vni: 78, hasBridge: false });
      await using bridged = await tunnelByHand(lan, { name: "bridged", vni: 79, hasBridge: true, hosts });
      await using plain = await plainPair();
      const floors = new Map<string, Path>([
        ["VXLAN alone", beside],
        ["VXLAN alone, hosts without rules", alone],
        ["VXLAN, bridge and veth by hand", bridged],
        ["a veth pair alone", plain],
      ]);
      // the first round is for warming up
      for (let at = -1; at < repeats; at++) await compare(bench, { overlay, floors, isKept: at >= 0 });
      for (let at = 0; at < iperfRepeats; at++) await comparePrograms(bench, { overlay, floors });
      for (const streams of iperfStreams) await comparePairs(bench, { overlay, beside, streams });
    });
  });
}

interface Round {
  readonly overlay: Path;
  readonly floors: ReadonlyMap<string, Path>;
  readonly isKept: boolean;
}

/** Each path once; the overlay's is in every row. */
async function compare({ report }: Bench, { overlay, floors, isKept }: Round): Promise<void> {
  const own = await measure(overlay);
  for (const [beside, path] of floors) {
    const floor = await measure(path);
    if (!isKept) continue;
    for (const [by, { rate, cost, trip }] of [
      ["tsdockerd", own],
      ["floor", floor],
    ] as const) {
      report.add(`one stream between hosts, beside ${beside}`, by, rate, "Gbit/s");
      report.add(`… its processor time, beside ${beside}`, by, cost, "s/GB");
      report.add(`round trip between hosts, beside ${beside}`, by, trip, "µs");
    }
  }
}

/** The same with what iperf3 gets. */
async function comparePrograms({ report }: Bench, { overlay, floors }: Omit<Round, "isKept">): Promise<void> {
  for (const streams of iperfStreams) {
    const own = await program(overlay, streams);
    for (const [beside, path] of floors) {
      const row = `iperf3 between hosts, ${streams} at once, beside ${beside}`;
      report.add(row, "tsdockerd", own, "Gbit/s");
      report.add(row, "floor", await program(path, streams), "Gbit/s");
    }
  }
}

/** By how much the overlay gives more than VXLAN devices alone: the mean of many pairs, now one first, now the other. */
async function comparePairs(
  { report }: Bench,
  { overlay, beside, streams }: { readonly overlay: Path; readonly beside: Path; readonly streams: number },
): Promise<void> {
  const more: number[] = [];
  for (let at = 0; at < pairs; at++) {
    const isFirst = at % 2 === 0;
    const early = await program(isFirst ? overlay : beside, streams);
    const late = await program(isFirst ? beside : overlay, streams);
    more.push((isFirst ? early / late : late / early) - 1);
  }
  const { mean, standardError } = meanOf(more);
  const row = `iperf3 between hosts, ${streams} at once, more than VXLAN alone`;
  report.add(`${row}: mean of ${pairs} pairs`, "tsdockerd", mean * 100, "%");
  report.add(`… its standard error, ${streams} at once`, "tsdockerd", standardError * 100, "%");
}

/** Gbit/s */
async function program({ from, to, address }: Path, streams: number): Promise<number> {
  return (await iperf({ netns: to, address, port: 9002 }, from, streams)) / 1e9;
}

async function measure({ from, to, address }: Path) {
  const stream = await send({ from, to, address });
  await using _ = await serve({ netns: to, address, port: 9001 }, "echo");
  const seconds = await ask({ netns: from, address, port: 9001 }, "ask", questions);
  return { ...stream, trip: (seconds * 1e6) / questions };
}

async function send({ from, to, address }: Path): Promise<{ readonly rate: number; readonly cost: number }> {
  const port = 9000;
  await using sink = await serve({ netns: to, address, port }, "sink");
  const kernel = await packetThreads();
  const others = () => secondsOf([sink.pid, ...kernel]);
  const before = await others();
  const { seconds, cpuSeconds } = await askWithCost({ netns: from, address, port }, "send", bytes);
  const cost = cpuSeconds + (await others()) - before;
  return { rate: (bytes * 8) / 1e9 / seconds, cost: cost / (bytes / 1e9) };
}

/** The kernel's, one for each processor: they take over what comes too fast for those who caused it. */
async function packetThreads(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")));
  return pids.filter((_, at) => names[at]?.startsWith("ksoftirqd/"));
}

/** Time on processors, by the scheduler's count, which is in nanoseconds. */
async function secondsOf(pids: readonly number[]): Promise<number> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/schedstat`, "utf8")));
  return texts.reduce((sum, text) => sum + Number(text.split(" ")[0]), 0) / 1e9;
}
