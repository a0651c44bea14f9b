// Networks made one after the other up to many, and removed again.

import { createNetwork, removeNetwork } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { type Bench, type Measure, timed } from "../measure.ts";

/** How many at the end of a stretch are looked at together. */
const stretch = 20;

export const networksMeasure: Measure = {
  name: "networks",
  needsDaemons: true,
  async run(bench) {
    for (const daemon of bench.daemons) {
      const count = bench.sizes.networks[daemon.name];
      bench.say(`${daemon.name}: ${count} networks`);
      await createAll(bench, daemon, count);
      await removeAll(bench, daemon, count);
    }
  },
};

async function createAll({ report }: Bench, { name, client }: Daemon, count: number): Promise<void> {
  for (let at = 1; at <= count; at++) {
    const { ms } = await timed(() => createNetwork(client, `many-${at}`));
    report.add("network create, all", name, ms);
    if (at <= stretch) report.add(`network create, 1–${stretch}`, name, ms);
    if (at > 200 - stretch && at <= 200) report.add(`network create, ${201 - stretch}–200`, name, ms);
    if (at > 500 - stretch && at <= 500) report.add(`network create, ${501 - stretch}–500`, name, ms);
  }
}

async function removeAll({ report }: Bench, { name, client }: Daemon, count: number): Promise<void> {
  for (let at = 1; at <= count; at++) {
    const { ms } = await timed(() => removeNetwork(client, `many-${at}`));
    report.add("network rm", name, ms);
  }
}
