// Containers that come, go, move and are forgotten by crashed daemons, in an order that a seed decides: in the end every
// kernel has the rows that the store's records mean, and no others, and all reach each other.

import { expect, test } from "vitest";
import { FakeCluster } from "../../../src/cluster/index.ts";
import { Lab } from "../lab.ts";
import { kernelView, recordsOf, wantedView } from "./overlay-faults-view.ts";
import { expectPing, type OverlayContainer, type OverlayHost, overlayHost } from "./overlay-world.ts";

const steps = 60;
const hostNames = ["one", "two", "three"] as const;
const subnets = ["10.9.0.0/24", "fd09::/64"];

/** mulberry32. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

test.for([1, 2, 3])("a walk by seed %i ends as the records say", { timeout: 120_000 }, async (seed) => {
  const random = randomFrom(seed);
  await using lab = await Lab.create();
  const cluster = new FakeCluster();
  const segment = lab.segment("192.0.2.0/24");
  await using one = await overlayHost(segment, cluster, hostNames[0]);
  await using two = await overlayHost(segment, cluster, hostNames[1]);
  await using three = await overlayHost(segment, cluster, hostNames[2]);
  const hosts = [one, two, three];
  for (const host of hosts) await host.createNetwork();
  const running = new Map<OverlayContainer, OverlayHost>();
  const held = new Set<number>();
  let made = 0;

  const anyHost = () => hosts[random(hosts.length)] ?? one;
  const anyContainer = () => [...running.keys()][random(running.size)];
  const start = async (host: OverlayHost, number: number) => {
    held.add(number);
    const addresses = [`10.9.0.${number}/24`, `fd09::${number.toString(16)}/64`];
    running.set(await host.run(`c${++made}`, addresses), host);
  };
  const stop = async (container: OverlayContainer) => {
    running.delete(container);
    await container.stop();
    held.delete(Number(container.address().split(".")[3]));
  };
  const actions: Record<string, () => Promise<unknown>> = {
    async start() {
      const number = 2 + random(20);
      if (!held.has(number) && running.size < 9) await start(anyHost(), number);
    },
    async stop() {
      const container = anyContainer();
      if (container) await stop(container);
    },
    // the same address and MAC, at once, elsewhere
    async move() {
      const container = anyContainer();
      if (!container) return;
      await stop(container);
      await start(anyHost(), Number(container.address().split(".")[3]));
    },
    restart: async () => await anyHost().restart(),
    async cut() {
      const name = hostNames[random(3)] ?? "one";
      cluster.partition(name);
      await actions.start?.();
      await actions.stop?.();
      await cluster.heal(name);
    },
  };
  const names = ["start", "start", "start", "stop", "move", "restart", "cut"];
  for (let step = 0; step < steps; step++) await actions[names[random(names.length)] ?? "start"]?.();

  const placesOnRecord = async () =>
    (await recordsOf(one)).map(({ mac, node }) => `${mac} on ${node}`).toSorted();
  const places = [...running].map(([{ mac }, { lab }]) => `${mac} on ${lab.name}`).toSorted();
  await expect.poll(placesOnRecord).toEqual(places);
  for (const host of hosts) {
    await host.driver.settle?.();
    const view = async () => ({ is: await kernelView(host), wanted: await wantedView(host, subnets) });
    await expect.poll(view).toSatisfy(({ is, wanted }) => is.join("\n") === wanted.join("\n"));
  }
  const containers = [...running.keys()];
  for (const from of containers)
    for (const to of containers) if (from !== to) await expectPing(from, to, random(2) ? 4 : 6);
});
