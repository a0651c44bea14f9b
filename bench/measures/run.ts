// A short container's whole life, by kind of network; and what runc alone takes for it.

import { createNetwork, removeNetwork, runOnce, type Wiring } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";

const kinds: readonly { readonly title: string; readonly wiring: Wiring }[] = [
  { title: "user bridge", wiring: { network: "bench" } },
  { title: "none", wiring: { network: "none" } },
  { title: "default bridge", wiring: { network: "bridge" } },
  { title: "user bridge, 1 port", wiring: { network: "bench", ports: 1 } },
];

export const runMeasure: Measure = {
  name: "run",
  needsDaemons: true,
  async run(bench) {
    for (const { client } of bench.daemons) await createNetwork(client, "bench");
    for (const daemon of bench.daemons) await round(bench, daemon, false);
    for (let at = 0; at < bench.sizes.rounds; at++)
      for (const daemon of bench.daemons) await round(bench, daemon, true);
    for (const { client } of bench.daemons) await removeNetwork(client, "bench");
  },
};

async function round({ report }: Bench, { name, client }: Daemon, counts: boolean): Promise<void> {
  for (const { title, wiring } of kinds) {
    const stages = await runOnce(client, wiring);
    if (!counts) continue;
    const { create, start, wait, remove } = stages;
    report.add(`run true, ${title}`, name, create + start + wait + remove);
    for (const [stage, ms] of Object.entries(stages)) report.add(`… ${title}: ${stage}`, name, ms);
  }
}
