// Published ports: what they add to a start and a removal, to the processes and to the memory.

import { setTimeout as sleep } from "node:timers/promises";
import { create, createNetwork, removeNetwork, type Wiring } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { type Bench, type Measure, timed } from "../measure.ts";
import { memoryOf } from "../place.ts";

interface Cost {
  readonly startMs: number;
  readonly removeMs: number;
  readonly processes: number;
  readonly pss: number;
}

const repeats = 9;
const warmUps = 2;
/** What a removal leaves to the kernel is over by then. */
const calmMs = 300;

export const portsMeasure: Measure = {
  name: "ports",
  needsDaemons: true,
  async run(bench) {
    for (const daemon of bench.daemons) {
      await createNetwork(daemon.client, "bench");
      for (const ports of bench.sizes.ports[daemon.name]) await compare(bench, daemon, ports);
      await removeNetwork(daemon.client, "bench");
    }
  },
};

async function compare({ report, say }: Bench, daemon: Daemon, ports: number): Promise<void> {
  say(`${daemon.name}: ${ports} published ports`);
  const { name } = daemon;
  const count = ports >= 100 && name === "dockerd" ? 1 : repeats;
  for (let at = count === 1 ? 0 : -warmUps; at < count; at++) {
    const without = await costOf(daemon, { network: "bench" });
    const withPorts = await costOf(daemon, { network: "bench", ports });
    if (at < 0) continue;
    report.add(`${ports} ports add to start`, name, withPorts.startMs - without.startMs);
    report.add(`${ports} ports add to rm -f`, name, withPorts.removeMs - without.removeMs);
    report.add(`${ports} ports add`, name, withPorts.processes - without.processes, "processes");
    report.add(`${ports} ports add (PSS)`, name, (withPorts.pss - without.pss) / 1e6, "MB");
  }
}

async function costOf({ client, place }: Daemon, wiring: Wiring): Promise<Cost> {
  await sleep(calmMs);
  const before = await place.processes();
  const { pss } = await memoryOf(before);
  const id = await create(client, ["sleep", "3600"], wiring);
  const started = await timed(() => client.post(`/containers/${id}/start`));
  const after = await place.processes();
  const held = await memoryOf(after);
  const removed = await timed(() => client.delete(`/containers/${id}?force=1`));
  return {
    startMs: started.ms,
    removeMs: removed.ms,
    processes: after.length - before.length,
    pss: held.pss - pss,
  };
}
