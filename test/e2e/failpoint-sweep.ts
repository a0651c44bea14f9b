// Every effect that create, start, connect, disconnect, stop and remove have on the outside is made to fail in turn, and
// the daemon is killed in turn just before each. Whatever is left half-done then, the next try must succeed and, after a
// start, nothing may be left.

import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import "../lab/matchers.ts";
import type { FailpointOrder } from "../../src/daemon/failpoints.ts";
import type { Snapshot } from "../lab/leaks.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const control = (folder: string) => join(folder, "failpoints");
const site = useSite({ env: (folder) => ({ TSDOCKER_FAILPOINTS: control(folder) }) });
const daemon = () => site().daemon;

/** One request of a container's life, and how the world gets to where it can be made. */
interface Act {
  readonly name: string;
  readonly before: () => Promise<unknown>;
  readonly request: readonly [method: string, path: string, body?: unknown];
}

const networkSpec = {
  Name: "n",
  EnableIPv6: true,
  IPAM: { Config: [{ Subnet: "198.51.100.0/24" }, { Subnet: "2001:db8:100::/64" }] },
};
const containerSpec = {
  Image: "busybox",
  Cmd: ["sh", "-c", "while :; do nc -l -p 80 -e echo here; done"],
  ExposedPorts: { "80/tcp": {} },
  HostConfig: { NetworkMode: "n", PortBindings: { "80/tcp": [{ HostPort: "8080" }] } },
  NetworkingConfig: { EndpointsConfig: { n: { IPAMConfig: { IPv4Address: "198.51.100.9" } } } },
};

const createNetwork = () => daemon().ask("POST", "/networks/create", networkSpec);
const createContainer = () => daemon().ask("POST", "/containers/create?name=cc", containerSpec);
const start = () => daemon().ask("POST", "/containers/cc/start");
const connect = () => daemon().ask("POST", "/networks/bridge/connect", { Container: "cc" });
const inOrder =
  (...steps: readonly (() => Promise<unknown>)[]) =>
  async () => {
    for (const step of steps) await step();
  };

const acts: readonly Act[] = [
  {
    name: "create a network",
    before: async () => undefined,
    request: ["POST", "/networks/create", networkSpec],
  },
  {
    name: "create a container",
    before: createNetwork,
    request: ["POST", "/containers/create?name=cc", containerSpec],
  },
  {
    name: "start",
    before: inOrder(createNetwork, createContainer),
    request: ["POST", "/containers/cc/start"],
  },
  {
    name: "connect",
    before: inOrder(createNetwork, createContainer, start),
    request: ["POST", "/networks/bridge/connect", { Container: "cc" }],
  },
  {
    name: "disconnect",
    before: inOrder(createNetwork, createContainer, start, connect),
    request: ["POST", "/networks/n/disconnect", { Container: "cc" }],
  },
  {
    name: "stop",
    before: inOrder(createNetwork, createContainer, start),
    request: ["POST", "/containers/cc/stop?t=0"],
  },
  {
    name: "remove a running container",
    before: inOrder(createNetwork, createContainer, start),
    request: ["DELETE", "/containers/cc?force=1"],
  },
  {
    name: "remove a network",
    before: createNetwork,
    request: ["DELETE", "/networks/n"],
  },
];

/** Each act is cut in at each of its effects, on a daemon of the file's own. */
export function sweepFailpoints(by: FailpointOrder["by"]): void {
  /** Failpoints after which only a start of the daemon put things right. */
  const restarts: string[] = [];
  const hits = new Map<string, number>();

  // the first networks turn forwarding on, and it stays on while the daemon runs
  beforeAll(async () => {
    await wholeLife(await daemon().snapshot()).catch(() => undefined);
  });

  afterEach(async () => {
    // a test that failed may have left an order, and us without a daemon
    await rm(control(daemon().folder), { force: true });
    if (daemon().hasEnded) await daemon().start();
    await forget();
  });

  test.each(acts)("$name: the next try succeeds and nothing is left", { timeout: 600_000 }, async (act) => {
    const base = await daemon().snapshot();
    for (let hit = 1; ; hit++) {
      await act.before();
      const passed = await cutIn(act, { run: `${act.name} ${hit}`, hit, by });
      const point = `${act.name}, ${by} at ${hit} (${passed[hit - 1]})`;
      if (passed.length < hit) {
        hits.set(act.name, hit - 1);
        await wholeLife(base);
        return;
      }
      if (by === "kill") await restart();
      await wholeLife(base).catch((error) => afterRestart({ by, point, base }, error, restarts));
      await expectNoSnapshots(point);
    }
  });

  afterAll(() => {
    const counts = [...hits].map((entry) => entry.join(" ")).join(", ");
    const total = [...hits.values()].reduce((sum, count) => sum + count, 0);
    process.stdout.write(`failpoints hit by ${by}: ${total} (${counts})\n`);
    for (const point of restarts) process.stdout.write(`only a start put it right: ${point}\n`);
  });
}

/** Makes the request with one failpoint to be hit; answers with the failpoints that were passed meanwhile. */
async function cutIn({ request }: Act, order: FailpointOrder): Promise<string[]> {
  const path = control(daemon().folder);
  await rm(`${path}.passed`, { force: true });
  await writeFile(path, JSON.stringify(order));
  await daemon()
    .api(...request)
    .catch(() => undefined);
  // links and tasks go after the answer, and are effects too
  await settled(path);
  await rm(path, { force: true });
  return (await readFile(`${path}.passed`, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
}

/** No failpoint is passed any more: nobody is there, or it is the same number of them three looks in a row. */
async function settled(path: string): Promise<void> {
  let [count, same] = [-1, 0];
  await until("the request has no more effects", async () => {
    const now = (await readFile(`${path}.passed`).catch(() => Buffer.alloc(0))).length;
    same = now === count ? same + 1 : 0;
    count = now;
    return same === 3 || daemon().hasEnded;
  });
}

async function forget(): Promise<void> {
  await daemon().api("DELETE", "/containers/cc?force=1");
  await daemon().api("DELETE", "/networks/n");
}

/** The same names, addresses and ports once more, from nothing to nothing. */
async function wholeLife(base: Snapshot): Promise<void> {
  await forget();
  await inOrder(createNetwork, createContainer, start, connect)();
  await expect(site().peer).toReach("192.0.2.1:8080", { answer: "here" });
  await daemon().ask("POST", "/networks/n/disconnect", { Container: "cc" });
  await daemon().ask("DELETE", "/containers/cc?force=1");
  await daemon().ask("DELETE", "/networks/n");
  await daemon().expectBackTo(base);
}

async function restart(): Promise<void> {
  await daemon().signal("SIGKILL");
  await daemon().start();
}

/**
 * Fails with all that the daemon ever said of a snapshot that stayed. What a daemon that was killed had asked for last,
 * containerd may finish behind the next one's start, which looks for that ten seconds later.
 */
async function expectNoSnapshots(point: string): Promise<void> {
  let left: string[] = [];
  await until("no snapshot is left", async () => {
    left = await daemon().containerSnapshots();
    return left.length === 0;
  }).catch(() => undefined);
  const isOfThem = (line: string) => left.some((key) => line.includes(key));
  const said = left.length > 0 ? (await daemon().log()).split("\n").filter(isOfThem) : [];
  expect(left, [`after ${point}`, ...said].join("\n")).toEqual([]);
}

/** What an effect that failed left may stay until the next start, but no longer. */
async function afterRestart(
  { by, point, base }: { readonly by: FailpointOrder["by"]; readonly point: string; readonly base: Snapshot },
  reason: unknown,
  restarts: string[],
): Promise<void> {
  const words = reason instanceof Error ? reason.message : String(reason);
  if (by === "kill") throw new Error(`after ${point}: ${words}`, { cause: reason });
  restarts.push(`${point}: ${words}`);
  await restart();
  await wholeLife(base);
}
