// A thousand joins, leaves, moves and crashes over five hosts in an order that a seed decides, while hosts are cut off from
// the store and from each other. In the end every kernel has what the store says, all reach each other, and nothing is left.
// `TSDOCKER_SEED=7,8,9` chooses other seeds.

import { expect, test } from "vitest";
import { deleteSomeRow, kernelView, recordsOf, wantedView } from "./overlay-faults-view.ts";
import { FaultWorld, Flow, type Machine, subnets, type Tenant } from "./overlay-faults-world.ts";
import { expectPing } from "./overlay-world.ts";

const steps = 1_000;
const mostContainers = 24;
const hostNames = ["one", "two", "three", "four", "five"];
const seeds = (process.env.TSDOCKER_SEED ?? "4").split(",").map(Number);

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

test.for(seeds)("a thousand faults by seed %i end as the store says", { timeout: 180_000 }, async (seed) => {
  const random = randomFrom(seed);
  const pick = <T>(items: readonly T[]): T | undefined => items[random(items.length || 1)];
  await using world = await FaultWorld.create(hostNames);
  const { machines } = world;
  const [one, two] = machines;
  if (!one || !two) throw new Error("no hosts");
  for (const { overlay } of machines) await overlay.lab.remember();

  // these stay where they are, and no packet between them is ever lost
  const [first, second] = [await world.start(one), await world.start(two)];
  if (!first || !second) throw new Error("no addresses");
  for (const tenant of [first, second]) tenant.isBusy = true;
  await expectPing(first.container, second.container);
  const spared = new Set([first, second].map(({ container }) => String(container.mac)));
  const flow = new Flow(first.container.host, second.address);
  const hasFlow = (machine: Machine) => machine === one || machine === two;

  const take = (): Tenant | undefined => {
    const tenant = pick(world.idle);
    if (tenant) tenant.isBusy = true;
    return tenant;
  };
  const start = async () => {
    const machine = pick(machines);
    if (machine && world.tenants.length < mostContainers) await world.start(machine);
  };
  const stop = async () => {
    const tenant = take();
    if (tenant) await world.stop(tenant);
  };
  // the same address and MAC elsewhere, at once
  const move = async () => {
    const tenant = take();
    const to = pick(machines);
    if (!tenant || !to) return;
    await world.stop(tenant);
    if (await world.start(to, tenant.address)) world.count("moved");
  };
  const joins = [start, start, start, stop, stop, move, move];
  const crash = async () => {
    const machine = pick(machines);
    if (!machine) return;
    const own = [...machine.containers].filter(({ isBusy }) => !isBusy);
    await world.crash(machine, own.slice(0, random(3)));
  };
  const cutOff = async () => {
    const machine = pick(machines.filter(({ isCut }) => !isCut));
    if (machine) world.cutOff(machine);
  };
  const storeGone = async () => {
    for (const machine of machines) if (!machine.isCut) world.cutOff(machine);
  };
  const heal = async () => {
    const machine = pick(machines.filter(({ isCut }) => isCut));
    if (machine) await world.heal(machine);
  };
  const endLease = async () => {
    const machine = pick(machines.filter((it) => it.isCut && !hasFlow(it)));
    if (machine) world.endLease(machine);
  };
  const wall = async () => {
    const [a, b] = [pick(machines), pick(machines)];
    if (a && b && a !== b && !(hasFlow(a) && hasFlow(b))) await world.wall(a, b);
  };
  const deleteRow = async () => {
    const machine = pick(machines.filter(({ containers }) => containers.size > 0));
    if (machine && (await deleteSomeRow(machine.overlay, random, spared))) world.count("rows deleted");
  };
  const talk = async () => {
    const living = machines.filter(({ isCut }) => !isCut).flatMap(({ containers }) => [...containers]);
    const [a, b] = [pick(living), pick(living)];
    if (!a || !b || a === b || a.isDoubtful || b.isDoubtful || world.hasWall(a.machine, b.machine)) return;
    await expectPing(a.container, b.container, random(2) ? 4 : 6);
    world.count("pings");
  };
  const faults = [
    crash,
    crash,
    cutOff,
    cutOff,
    heal,
    heal,
    heal,
    endLease,
    wall,
    () => world.unwall(),
    deleteRow,
    talk,
    talk,
  ];

  const done = () =>
    ["started", "stopped", "crashed"].reduce((sum, what) => sum + (world.counts[what] ?? 0), 0);
  for (let round = 0; done() < steps && round < 5 * steps; round++) {
    const dice = random(100);
    if (dice < 65) await Promise.all(Array.from({ length: 1 + random(4) }, () => pick(joins)?.()));
    else if (dice < 99) await pick(faults)?.();
    else await storeGone();
    expect(world.violations).toEqual([]);
  }
  expect(done()).toBeGreaterThanOrEqual(steps);
  await world.mend();

  expect(world.violations).toEqual([]);
  expect(world.unexpected).toEqual([]);
  const own = () => world.tenants.map(({ machine, address }) => `${machine.name} ${address}`).sort();
  for (const { overlay } of machines) {
    const records = async () =>
      (await recordsOf(overlay))
        .map(({ node, addresses }) => `${node} 10.9.0.${Number(addresses[0]?.value) & 255}`)
        .sort();
    await expect.poll(records).toEqual(own());
    const view = async () => ({ is: await kernelView(overlay), wanted: await wantedView(overlay, subnets) });
    await expect.poll(view).toSatisfy(({ is, wanted }) => is.join("\n") === wanted.join("\n"));
  }
  for (const from of world.tenants)
    await Promise.all(
      world.tenants.map((to) => from !== to && expectPing(from.container, to.container, random(2) ? 4 : 6)),
    );
  const { received, lost } = await flow.end();
  expect(lost).toEqual([]);
  expect(received).toBeGreaterThan(100);
  if (process.env.TSDOCKER_SEED) console.log(seed, JSON.stringify({ ...world.counts, received }));

  for (const tenant of world.tenants) await world.stop(tenant);
  await world.settle();
  expect(await recordsOf(one.overlay)).toEqual([]);
  for (const { overlay } of machines) {
    expect(await overlay.host.netns.list()).toEqual([]);
    await overlay.lab.expectUnchanged();
  }
  await world.releasePool();
  for (const name of ["ipam-blocks", "ipam-asks"]) {
    const table = await two.overlay.cluster.table(name);
    await expect.poll(() => [...table.entries()].map(({ key }) => key)).toEqual([]);
  }
});
