// A running container connected to a second network and taken off it again.

import { withNetwork, withSleeper } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { type Bench, type Measure, timed } from "../measure.ts";

export const connectMeasure: Measure = {
  name: "connect",
  needsDaemons: true,
  async run(bench) {
    const [first, ...rest] = bench.daemons;
    if (first) await withContainers(bench, [first, ...rest], []);
  },
};

/** Makes what is needed in every daemon, so that they can take turns. */
async function withContainers(
  bench: Bench,
  [daemon, ...rest]: readonly Daemon[],
  ready: readonly { daemon: Daemon; id: string }[],
): Promise<void> {
  if (!daemon) return await takeTurns(bench, ready);
  const { client } = daemon;
  await withNetwork(client, "first", () =>
    withNetwork(client, "second", () =>
      withSleeper(client, { network: "first" }, (id) =>
        withContainers(bench, rest, [...ready, { daemon, id }]),
      ),
    ),
  );
}

async function takeTurns(
  { report, sizes }: Bench,
  ready: readonly { daemon: Daemon; id: string }[],
): Promise<void> {
  for (let at = 0; at < sizes.rounds; at++) {
    for (const { daemon, id } of ready) {
      const { client, name } = daemon;
      const connected = await timed(() => client.post("/networks/second/connect", { Container: id }));
      report.add("network connect, running container", name, connected.ms);
      const left = await timed(() => client.post("/networks/second/disconnect", { Container: id }));
      report.add("network disconnect, running container", name, left.ms);
    }
  }
}
