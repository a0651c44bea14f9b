// From a daemon's start to its first answer, beside a containerd that runs and with one of its own; and what it holds
// when it is idle.

import { setTimeout as sleep } from "node:timers/promises";
import { type DaemonName, daemonNames, startContainerd, startIn } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";
import { memoryOf, Place, programOf } from "../place.ts";

const settleMs = 3000;

export const startMeasure: Measure = {
  name: "start",
  needsDaemons: false,
  async run(bench) {
    for (const name of daemonNames) {
      await besideContainerd(bench, name);
      await alone(bench, name);
    }
  },
};

async function besideContainerd({ report, sizes }: Bench, name: DaemonName): Promise<void> {
  await using place = await Place.create(`start-${name}`);
  const containerd = await startContainerd(place);
  for (let at = -1; at < sizes.starts; at++) {
    const { child, answeredAfterMs } = await startIn(place, name, containerd.address);
    if (at >= 0) report.add("start to first _ping, containerd runs", name, answeredAfterMs);
    if (at === sizes.starts - 1) await measureMemory(report, place, name);
    await child.stop();
  }
}

async function alone({ report, sizes }: Bench, name: DaemonName): Promise<void> {
  await using place = await Place.create(`cold-${name}`);
  for (let at = -1; at < sizes.starts; at++) {
    const { child, answeredAfterMs } = await startIn(place, name);
    if (at >= 0) report.add("start to first _ping, with its containerd", name, answeredAfterMs);
    await child.stop();
  }
}

async function measureMemory(report: Bench["report"], place: Place, name: DaemonName): Promise<void> {
  await sleep(settleMs);
  for (const pid of await place.processes()) {
    const program = await programOf(pid);
    if (program.startsWith("containerd ")) continue;
    const part = program.includes("tsdocker-proxy") ? "proxy" : "daemon";
    const { pss, rss } = await memoryOf([pid]);
    report.add(`idle ${part}, PSS`, name, pss / 1e6, "MB");
    report.add(`idle ${part}, RSS`, name, rss / 1e6, "MB");
  }
}
