// What a container's resolver does: names of containers and names that it forwards, how many a second and how soon, and
// what another container's flood does to that. Both daemons forward to the same name server, asked from the container.

import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Client } from "../client.ts";
import { withNetwork } from "../containers.ts";
import type { Daemon } from "../daemons.ts";
import type { Bench, Measure } from "../measure.ts";
import { type Place, until } from "../place.ts";

const run = promisify(execFile);
const seconds = 4;
const repeats = 3;
const network = "bench";
/** Questions a second at which answers are timed: far below what either can do. */
const calmRate = 1000;

export const dnsMeasure: Measure = {
  name: "dns",
  needsDaemons: true,
  async run(bench) {
    const hasDnsperf = await run("dnsperf", ["-h"]).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
    if (!hasDnsperf) return bench.say("dns: there is no dnsperf (apt-get install dnsperf)");
    for (let at = 0; at < repeats; at++) for (const daemon of bench.daemons) await measure(bench, daemon);
  },
};

async function measure(bench: Bench, daemon: Daemon): Promise<void> {
  const { client, place } = daemon;
  const program = [process.execPath, join(import.meta.dirname, "../name-server.ts")];
  const server = place.start(program);
  try {
    await withNetwork(client, network, async () => {
      const gateway = await gatewayOf(client);
      const asker = await sleeper(client, gateway);
      const other = await sleeper(client, gateway);
      try {
        await ask(bench, daemon, { asker, other });
      } finally {
        for (const { id } of [asker, other]) await client.delete(`/containers/${id}?force=1`);
      }
    });
  } finally {
    await server.stop();
  }
}

interface Sleeper {
  readonly id: string;
  readonly pid: number;
}

async function ask(
  { report }: Bench,
  { name, place }: Daemon,
  { asker, other }: { readonly asker: Sleeper; readonly other: Sleeper },
): Promise<void> {
  const kinds = [
    ["a container's name", other.id.slice(0, 12)],
    ["a forwarded name", "www.example.com"],
  ] as const;
  for (const [kind, asked] of kinds) {
    const file = place.path("queries");
    await writeFile(file, `${asked} A\n`);
    await until("the name server answers", async () => (await dnsperf(asker, file, ["-n", "1"])).lost === 0);
    const before = await cpuSeconds(place);
    const { perSecond } = await dnsperf(asker, file, flood);
    report.add(`DNS, ${kind}`, name, perSecond, "1/s");
    const spent = (await cpuSeconds(place)) - before;
    report.add(`… ${kind}: CPU each`, name, (spent * 1e6) / (perSecond * seconds), "µs");
    const byEight = await dnsperf(asker, file, floodOfEight);
    report.add(`… ${kind}: eight clients`, name, byEight.perSecond, "1/s");
    const calm = await dnsperf(asker, file, timing);
    report.add(`… ${kind}: 99th percentile`, name, calm.p99Ms);
    const [, besideFlood] = await Promise.all([dnsperf(other, file, flood), dnsperf(asker, file, timing)]);
    report.add(`… ${kind}: 99th percentile beside a flood`, name, besideFlood.p99Ms);
  }
}

/**
 * Two clients, each on a thread of its own, and a hundred questions in flight. dnsperf shares the processors with whom it
 * asks: with more sockets than threads it spends more on each question, and the fewer it can ask, the less the faster of
 * two daemons seems to be the faster one.
 */
const flood = ["-l", String(seconds), "-c", "2", "-T", "2"];
/** The same questions from eight clients on two threads. */
const floodOfEight = ["-l", String(seconds), "-c", "8", "-T", "2"];
const timing = ["-l", String(seconds), "-Q", String(calmRate), "-v"];

interface Asked {
  readonly perSecond: number;
  readonly lost: number;
  /** NaN unless each answer was told of (`-v`). */
  readonly p99Ms: number;
}

async function dnsperf({ pid }: Sleeper, file: string, flags: readonly string[]): Promise<Asked> {
  const command = ["dnsperf", "-s", "127.0.0.11", "-d", file, ...flags];
  const argv = ["--target", String(pid), "--net", "--", ...command];
  const { stdout } = await run("nsenter", argv, { maxBuffer: 64 << 20 });
  // "> NOERROR www.example.com A 0.000123"
  const times = [...stdout.matchAll(/^> \S+ \S+ \S+ ([\d.]+)$/gm)].map(([, text]) => Number(text) * 1000);
  times.sort((a, b) => a - b);
  return {
    perSecond: Number(/Queries per second: +([\d.]+)/.exec(stdout)?.[1]),
    lost: Number(/Queries lost: +(\d+)/.exec(stdout)?.[1]),
    p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
  };
}

/** User and system time of all processes of the place: daemon, helpers, and the name server if it is asked. */
async function cpuSeconds(place: Place): Promise<number> {
  let ticks = 0;
  for (const pid of await place.processes()) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third on
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return ticks / 100; // USER_HZ, on every machine that Node runs on
}

async function gatewayOf(client: Client): Promise<string> {
  const { body } = await client.get(`/networks/${network}`);
  const { IPAM } = body as { IPAM: { Config: { Gateway?: string; Subnet: string }[] } };
  const [config] = IPAM.Config;
  return config?.Gateway ?? `${config?.Subnet.split(".").slice(0, 3).join(".")}.1`;
}

async function sleeper(client: Client, dns: string): Promise<Sleeper> {
  const settings = { Image: "busybox", Cmd: ["sleep", "3600"] };
  const HostConfig = { NetworkMode: network, Dns: [dns] };
  const { body } = await client.post("/containers/create", { ...settings, HostConfig });
  const { Id: id } = body as { Id: string };
  await client.post(`/containers/${id}/start`);
  const inspected = await client.get(`/containers/${id}/json`);
  return { id, pid: (inspected.body as { State: { Pid: number } }).State.Pid };
}
