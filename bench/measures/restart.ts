// A daemon that starts again over what it had: a hundred networks, and a hundred containers that have ended on them. Its
// containerd is not its own and stays. One that dockerd starts goes with a dockerd that is killed (it asks for that by
// PR_SET_PDEATHSIG), and the next dockerd waits for it in vain where nobody reaps what is left: it looks for the process
// by the number in its pid file, and a zombie has one.

import { Client } from "../client.ts";
import { createNetwork, runToEnd } from "../containers.ts";
import { type DaemonName, daemonNames, loadImages, startContainerd, startIn } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";
import { Place } from "../place.ts";

const count = 100;
const label = `${count} networks and ${count} stopped containers, containerd runs`;

export const restartMeasure: Measure = {
  name: "restart",
  needsDaemons: false,
  async run(bench) {
    for (const name of daemonNames) await restarts(bench, name);
  },
};

async function restarts({ report, sizes, say }: Bench, name: DaemonName): Promise<void> {
  await using place = await Place.create(`restart-${name}`);
  const { address } = await startContainerd(place);
  const first = await startIn(place, name, address);
  say(`${name}: ${label}`);
  await fill(first.socket);
  let { child } = first;
  // dockerd takes ten seconds for each
  const rounds = name === "dockerd" ? Math.min(2, sizes.starts) : sizes.starts;
  for (const how of ["stopped", "killed"] as const) {
    for (let at = 0; at < rounds; at++) {
      await (how === "killed" ? child.kill() : child.stop());
      const started = await startIn(place, name, address);
      report.add(`start to first _ping, ${how} with ${label}`, name, started.answeredAfterMs);
      ({ child } = started);
    }
  }
  await child.stop();
}

async function fill(socket: string): Promise<void> {
  const client = new Client(socket);
  await loadImages(client);
  for (let at = 0; at < count; at++) {
    const network = `n${at}`;
    await createNetwork(client, network);
    await runToEnd(client, { network });
  }
  client.close();
}
