// Containers per second when four clients run them side by side.

import { Client } from "../client.ts";
import { createNetwork, removeNetwork, runOnce } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { type Measure, timed } from "../measure.ts";

const clients = 4;
const each = 10;
const repeats = 3;

export const rateMeasure: Measure = {
  name: "rate",
  needsDaemons: true,
  async run({ daemons, report }) {
    for (const { client } of daemons) await createNetwork(client, "bench");
    for (let at = 0; at < repeats; at++) {
      for (const daemon of daemons) {
        const { ms } = await timed(() => runMany(daemon));
        report.add(`containers, ${clients} clients`, daemon.name, (clients * each * 1000) / ms, "1/s");
      }
    }
    for (const { client } of daemons) await removeNetwork(client, "bench");
  },
};

async function runMany({ socket }: Daemon): Promise<void> {
  await Promise.all(
    Array.from({ length: clients }, async () => {
      const client = new Client(socket);
      for (let at = 0; at < each; at++) await runOnce(client, { network: "bench" });
      client.close();
    }),
  );
}
