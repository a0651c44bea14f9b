// Published ports while many others are: what one more costs a running container, and what they cost a packet from
// another machine. And how long a sender of datagrams goes on missing a container that was restarted.

import dgram from "node:dgram";
import { bindSocket } from "../../src/kernel/index.ts";
import { type Address, parseAddress } from "../../src/netip/index.ts";
import { create, withNetwork, withSleeper } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import { ask, connections, serve } from "../load-children.ts";
import { type Bench, type Measure, timed } from "../measure.ts";
import { lan, withNeighbour } from "../neighbour.ts";

const crowd = 20_000;
const repeats = 3;
const changes = 20;
const restarts = 7;
const questions = 10_000;
const load = { clients: 8, count: 4_000 };
const web = { port: "80/tcp", hostPort: 8080 };
const drain = { port: "7000/udp", hostPort: 7000 };

export const publishedMeasure: Measure = {
  name: "published",
  needsDaemons: true,
  async run(bench) {
    for (const daemon of bench.daemons)
      await withNeighbour(netnsOf(daemon.child.pid), (neighbour) =>
        withNetwork(daemon.client, "bench", () => measure(bench, daemon, neighbour)),
      );
  },
};

async function measure(bench: Bench, daemon: Daemon, neighbour: string): Promise<void> {
  const { client, name } = daemon;
  await withSleeper(client, { network: "bench", also: web }, async (id) => {
    await amongOthers(bench, { daemon, neighbour, id, others: 0 });
    if (name === "dockerd") return; // a process for each port, and a minute for a thousand
    bench.say(`${name}: ${crowd} published ports`);
    await withSleeper(client, { network: "bench", ports: crowd, shift: 10_000 }, () =>
      amongOthers(bench, { daemon, neighbour, id, others: crowd }),
    );
  });
  bench.say(`${name}: datagrams to a restarted container`);
  await restarted(bench, daemon, neighbour);
}

interface Scene {
  readonly daemon: Daemon;
  /** Path of its netns. */
  readonly neighbour: string;
  /** The container that publishes `web`. */
  readonly id: string;
  readonly others: number;
}

async function amongOthers({ report }: Bench, { daemon, neighbour, id, others }: Scene): Promise<void> {
  const { client, name } = daemon;
  const among = `${others} others published`;
  const server = { netns: netnsOf(await pidOf(daemon, id)), address: "0.0.0.0", port: 80 };
  const front = { netns: neighbour, address: lan.machine, port: web.hostPort };
  {
    await using _ = await serve(server, "echo");
    for (let at = 0; at < repeats; at++) {
      const seconds = await ask(front, "ask", questions);
      report.add(`round trips through a published port, ${among}`, name, questions / seconds, "1/s");
    }
  }
  {
    await using _ = await serve(server, "http");
    for (let at = 0; at < repeats; at++) {
      const perSecond = await connections(front, load);
      report.add(`connections through a published port, ${among}`, name, perSecond, "1/s");
    }
  }
  if (name === "dockerd") return; // it cannot
  const more = { "81/tcp": [{ HostPort: "8081" }] };
  for (let at = -2; at < changes; at++) {
    const added = await timed(() => client.post(`/containers/${id}/ports`, { Add: more }));
    const removed = await timed(() => client.post(`/containers/${id}/ports`, { Remove: more }));
    if (at < 0) continue;
    report.add(`publish a port of a running container, ${among}`, name, added.ms);
    report.add(`unpublish a port of a running container, ${among}`, name, removed.ms);
  }
}

/** One sender with one port, a datagram each millisecond: what it sends in between makes the kernel believe it knows better. */
async function restarted({ report }: Bench, daemon: Daemon, neighbour: string): Promise<void> {
  const { client, name } = daemon;
  await using sender = await datagrams(neighbour, 4000);
  const timer = setInterval(() => sender.socket.send("x", drain.hostPort, lan.machine, () => undefined), 1);
  const id = await create(client, ["sleep", "3600"], { network: "bench", also: drain });
  try {
    await client.post(`/containers/${id}/start`);
    for (let at = 0; at < restarts; at++) {
      await client.post(`/containers/${id}/restart?t=0`);
      await using receiver = await datagrams(netnsOf(await pidOf(daemon, id)), 7000);
      const { ms } = await timed(() => receiver.first);
      report.add("first datagram from an old sender after a restart", name, ms);
    }
  } finally {
    clearInterval(timer);
    await client.delete(`/containers/${id}?force=1`);
  }
}

/** A socket in a netns. `first` resolves with the first datagram, or after `patienceMs`. */
async function datagrams(netns: string, port: number) {
  const fd = await bindSocket({ netns, protocol: "udp", address: every, port });
  const socket = dgram.createSocket("udp4");
  await new Promise<void>((bound) => socket.bind({ fd }, bound));
  socket.on("error", () => undefined);
  const first = new Promise<void>((resolve) => {
    socket.once("message", () => resolve());
    setTimeout(resolve, patienceMs).unref();
  });
  return { socket, first, [Symbol.asyncDispose]: async () => void socket.close() };
}

const patienceMs = 5_000;
const every: Address = parseAddress("0.0.0.0") ?? { family: 4, value: 0n };

async function pidOf({ client }: Daemon, id: string): Promise<number> {
  const { body } = await client.get(`/containers/${id}/json`);
  const { State } = body as { State?: { Pid?: number } };
  if (!State?.Pid) throw new Error(`container ${id} does not run`);
  return State.Pid;
}

function netnsOf(pid: number): string {
  return `/proc/${pid}/ns/net`;
}
