// A running container connected to a second network and taken off it again: alone, and among many networks and endpoints.

import { createNetwork, removeNetwork, withNetwork, withSleeper } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { type Bench, type Measure, timed } from "../measure.ts";

/** Containers that share the many networks among them; each is on as many as it takes for an endpoint on every network. */
const containers = 20;

/** A 99th percentile wants more samples than a median. */
const roundsPerRound = 5;

export const connectMeasure: Measure = {
  name: "connect",
  needsDaemons: true,
  async run(bench) {
    const [first, ...rest] = bench.daemons;
    if (!first) return;
    await withContainers([first, ...rest], [], (ready) => takeTurns(bench, ready, "running container"));
    // dockerd takes minutes to make so many
    const own = bench.daemons.find(({ name }) => name === "tsdockerd");
    if (own) await amongMany(bench, own);
  },
};

interface Ready {
  readonly daemon: Daemon;
  readonly id: string;
}

/** Makes what is needed in every daemon, so that they can take turns. */
async function withContainers(
  [daemon, ...rest]: readonly Daemon[],
  ready: readonly Ready[],
  work: (ready: readonly Ready[]) => Promise<void>,
): Promise<void> {
  if (!daemon) return await work(ready);
  const { client } = daemon;
  await withNetwork(client, "first", () =>
    withNetwork(client, "second", () =>
      withSleeper(client, { network: "first" }, (id) =>
        withContainers(rest, [...ready, { daemon, id }], work),
      ),
    ),
  );
}

async function amongMany(bench: Bench, daemon: Daemon): Promise<void> {
  const { client, name } = daemon;
  const count = bench.sizes.networks[name];
  bench.say(`${name}: ${count} networks, ${count} endpoints`);
  const names = Array.from({ length: count }, (_, at) => `crowd-${at}`);
  for (const network of names) await createNetwork(client, network);
  await withContainers([daemon], [], async (ready) => {
    await takeTurns(bench, ready, `among ${count} networks`);
    const crowd = { networks: names, share: Math.ceil(count / containers) };
    await withCrowd(daemon, crowd, () => takeTurns(bench, ready, `among ${count} endpoints`));
  });
  for (const network of names) await removeNetwork(client, network);
}

interface Crowd {
  readonly networks: readonly string[];
  /** How many of them a container is on. */
  readonly share: number;
}

/** An endpoint on each of the networks. */
async function withCrowd(
  { client }: Pick<Daemon, "client">,
  { networks, share }: Crowd,
  work: () => Promise<void>,
): Promise<void> {
  const [first, ...others] = networks.slice(0, share);
  if (first === undefined) return await work();
  await withSleeper(client, { network: first }, async (id) => {
    for (const network of others) await client.post(`/networks/${network}/connect`, { Container: id });
    await withCrowd({ client }, { networks: networks.slice(share), share }, work);
  });
}

async function takeTurns(
  { report, sizes }: Bench,
  ready: readonly Ready[],
  situation: string,
): Promise<void> {
  for (let at = 0; at < sizes.rounds * roundsPerRound; at++)
    for (const { daemon, id } of ready)
      for (const verb of ["connect", "disconnect"]) {
        const { ms } = await timed(() => daemon.client.post(`/networks/second/${verb}`, { Container: id }));
        report.add(`network ${verb}, ${situation}`, daemon.name, ms);
      }
}
