// Queries per second that a container's resolver answers, for the name of a container beside it.

import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { withNetwork, withSleeper } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";

const run = promisify(execFile);
const seconds = 5;

export const dnsMeasure: Measure = {
  name: "dns",
  needsDaemons: true,
  async run(bench) {
    const hasDnsperf = await run("dnsperf", ["-h"]).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
    if (!hasDnsperf) return bench.say("dns: there is no dnsperf (apt-get install dnsperf)");
    for (const daemon of bench.daemons) await ask(bench, daemon);
  },
};

async function ask({ report }: Bench, { name, client, place }: Daemon): Promise<void> {
  const network = "bench";
  await withNetwork(client, network, () =>
    withSleeper(client, { network }, (other) =>
      withSleeper(client, { network }, async (id) => {
        const queries = place.path("queries");
        await writeFile(queries, `${other.slice(0, 12)} A\n`);
        const { body } = await client.get(`/containers/${id}/json`);
        const { Pid } = (body as { State: { Pid: number } }).State;
        const dnsperf = ["dnsperf", "-s", "127.0.0.11", "-d", queries, "-l", String(seconds), "-c", "8"];
        const { stdout } = await run("nsenter", ["--target", String(Pid), "--net", "--", ...dnsperf]);
        const perSecond = Number(/Queries per second: +([\d.]+)/.exec(stdout)?.[1]);
        const lost = Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]);
        if (lost > 0) throw new Error(`${name} left ${lost} queries unanswered`);
        report.add("DNS, a container's name", name, perSecond, "1/s");
      }),
    ),
  );
}
