// From a start that returned on one host to the first answered ping and the first name on another; and what a start takes,
// beside one on a bridge.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { Client } from "../client.ts";
import { create, withNetwork, withSleeper } from "../containers.ts";
import type { Bench } from "../measure.ts";
import { meanOf } from "../summary.ts";
import { netnsOf, type OverlayHosts, overlayName } from "./overlay-hosts.ts";

const run = promisify(execFile);
const script = join(import.meta.dirname, "overlay-probe.py");
const reachRounds = 100;
const startRounds = 80;

/** Asks from inside a netns for what is not there yet; answers when it was, by CLOCK_MONOTONIC in nanoseconds. */
class Probe implements AsyncDisposable {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(netns: string) {
    const argv = [`--net=${netns}`, "python3", script];
    this.#child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Undefined: not within five seconds. */
  async ask(...words: readonly string[]): Promise<bigint | undefined> {
    this.#child.stdin.write(`${words.join(" ")}\n`);
    const { value } = await this.#lines.next();
    return value === undefined || value === "never" ? undefined : BigInt(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}

export async function measureReach({ report, say }: Bench, { daemons }: OverlayHosts): Promise<void> {
  const [here, there] = daemons;
  if (!here || !there) return;
  await withSleeper(there.client, { network: overlayName }, async (id) => {
    const netns = netnsOf((await inspect(there.client, id)).pid);
    await using pings = new Probe(netns);
    await using names = new Probe(netns);
    let hasNames = true;
    for (let at = -1; at < reachRounds; at++) {
      // a container that nobody has heard of
      await run("nsenter", [`--net=${netns}`, "ip", "neigh", "flush", "dev", "eth0"]);
      const name = `reach${at + 1}`;
      const started = await startNamed(here.client, name);
      const { address } = await inspect(here.client, started.id);
      const answers: Promise<bigint | undefined>[] = [pings.ask("ping", address)];
      if (hasNames) answers.push(names.ask("name", name));
      const [pinged, named] = await Promise.all(answers);
      await here.client.delete(`/containers/${started.id}?force=1`);
      if (pinged === undefined) throw new Error(`${address} on another host never answered`);
      if (hasNames && !named) say("names of other hosts' containers are not answered: left out");
      hasNames = named !== undefined;
      if (at < 0) continue;
      const after = (moment: bigint) => Math.max(0, Number(moment - started.returned) / 1e6);
      report.add("start returned to first ping from another host", "tsdockerd", after(pinged));
      if (named !== undefined)
        report.add("start returned to first name on another host", "tsdockerd", after(named));
    }
  });
}

/** On one host, a container on each kind of network in turn, and the next time the other way round. */
export async function measureStarts(
  { report, daemons: beside }: Bench,
  { daemons }: OverlayHosts,
): Promise<void> {
  const [own] = daemons;
  if (!own) return;
  const theirs = beside.find(({ name }) => name === "dockerd");
  const start = async (by: typeof own, network: string) => {
    let took = 0;
    await withSleeper(by.client, { network }, async (_, ms) => {
      took = ms;
    });
    return took;
  };
  const longer: number[] = [];
  const rounds = async () => {
    for (let at = -1; at < startRounds; at++) {
      const took = new Map<string, number>();
      const order = [overlayName, "plain"];
      for (const network of at % 2 === 0 ? order : order.toReversed())
        took.set(network, await start(own, network));
      const theirMs = theirs && (await start(theirs, "plain"));
      const [overlayMs = 0, bridgeMs = 0] = order.map((network) => took.get(network));
      if (at < 0) continue;
      report.add("start on an overlay", own.name, overlayMs);
      report.add("start on a bridge, same daemon", own.name, bridgeMs);
      if (theirMs !== undefined) report.add("start on a bridge, same daemon", "dockerd", theirMs);
      report.add("start on an overlay, longer than on a bridge", own.name, overlayMs - bridgeMs);
      longer.push(overlayMs - bridgeMs);
    }
  };
  await withNetwork(own.client, "plain", () =>
    theirs ? withNetwork(theirs.client, "plain", rounds) : rounds(),
  );
  const { mean, standardError } = meanOf(longer);
  report.add(`start on an overlay, longer than on a bridge: mean of ${startRounds} pairs`, own.name, mean);
  report.add("… its standard error, starts", own.name, standardError);
}

async function startNamed(client: Client, name: string): Promise<{ id: string; returned: bigint }> {
  const id = await create(client, ["sleep", "3600"], { network: overlayName });
  await client.post(`/containers/${id}/rename?name=${name}`);
  await client.post(`/containers/${id}/start`);
  return { id, returned: process.hrtime.bigint() };
}

export async function inspect(client: Client, id: string): Promise<{ pid: number; address: string }> {
  const { body } = await client.get(`/containers/${id}/json`);
  const { State, NetworkSettings } = body as {
    State: { Pid: number };
    NetworkSettings: { Networks: Record<string, { IPAddress: string }> };
  };
  return { pid: State.Pid, address: NetworkSettings.Networks[overlayName]?.IPAddress ?? "" };
}
