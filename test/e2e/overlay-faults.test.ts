// One network over three hosts, with a real daemon on each and an etcd of three members beside them, while one thing after
// the other fails: what runs goes on talking, starts go on, and in the end every kernel has what the store says.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PublishedEndpoint } from "../../drivers/overlay/shared.ts";
import { EtcdClient, readPrefix } from "../../src/cluster/etcd/index.ts";
import type { ClusterNode } from "../../src/cluster/index.ts";
import { decodeRecord } from "../../src/store/codec.ts";
import { cut, EtcdFixture } from "../lab/cluster/etcd-fixture.ts";
import { viewOf, wantedOf } from "../lab/drivers/overlay-faults-view.ts";
import { Flow } from "../lab/drivers/overlay-faults-world.ts";
import type { LabHost } from "../lab/lab.ts";
import { everyStep } from "../lab/steps.ts";
import type { Daemon } from "./daemon.ts";
import { untilNodes, useHosts } from "./hosts.ts";
import { until } from "./run.ts";

const site = useHosts(6);
const storeName = "faults";
const subnet = "10.64.0.0/26";
const numbers = [1, 2, 3] as const;
let etcd: EtcdFixture;
let daemons: readonly Daemon[] = [];
let networkId = "";
let made = 0;
const containers: Container[] = [];
const flows = new Set<Flow>();
const walls = new Set<{ join(): Promise<void> }>();

interface Container {
  readonly name: string;
  readonly daemon: Daemon;
  readonly address: string;
  readonly inside: LabHost;
}

const host = (number: number): Daemon => {
  const daemon = daemons[number - 1];
  if (!daemon) throw new Error(`there is no daemon on host${number}`);
  return daemon;
};
const storeAddresses = () => etcd.members.map(({ address }) => address);
const state = async (number: number) => (await host(number).ask("GET", "/cluster")).State;

const clockOf = (folder: string) => ({
  NODE_OPTIONS: `--import=${join(import.meta.dirname, "jumping-clock.mjs")}`,
  TSDOCKER_TEST_CLOCK: join(folder, "clock"),
});

/** Sets a daemon's clock to what it would be without jumps, and this. Resolves when the daemon goes by it. */
async function jump(daemon: Daemon, days: number): Promise<void> {
  const wantedMs = days * 86_400_000;
  await writeFile(join(daemon.folder, "clock"), String(wantedMs));
  process.kill(daemon.pid, "SIGUSR2");
  const offMs = async () => Date.parse((await daemon.ask("GET", "/info")).SystemTime) - Date.now() - wantedMs;
  await until("the clock has jumped", async () => Math.abs(await offMs()) < 60_000);
}

/** A container that stays. */
async function start(number: number): Promise<Container> {
  const daemon = host(number);
  const name = `c${++made}`;
  await daemon.ok(
    "run",
    "-d",
    "--name",
    name,
    "--network",
    "blue",
    "--stop-timeout",
    "0",
    "busybox",
    "sleep",
    "1d",
  );
  const address = await daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.blue.IPAddress}}", name);
  const container = { name, daemon, address, inside: await daemon.inside(name) };
  containers.push(container);
  return container;
}

const pings = (from: Container, to: Container) =>
  from.inside.run("busybox", "ping", "-c1", "-W1", to.address).then(
    () => true,
    () => false,
  );

/** Every pair, sooner or later. */
async function untilAllTalk(): Promise<void> {
  for (const from of containers) {
    const others = containers.filter((to) => to !== from);
    const talking = others.map((to) => until(`${from.name} reaches ${to.name}`, () => pings(from, to)));
    await Promise.all(talking);
  }
}

/** Between the first containers of these hosts, until `endFlows`. */
function flow(from: number, to: number): void {
  const [one, two] = [containers[from - 1], containers[to - 1]];
  if (!one || !two) throw new Error("the containers are not there");
  flows.add(new Flow(one.inside, two.address));
}

/** What they lost. */
async function endFlows(): Promise<number[]> {
  const ending = [...flows];
  flows.clear();
  return (await Promise.all(ending.map((it) => it.end()))).flatMap(({ lost }) => lost);
}

/** A host and these addresses, until `mend`. */
async function cutOff(number: number, ...addresses: readonly string[]): Promise<void> {
  walls.add(await cut(host(number).host, ...addresses));
}

async function mend(): Promise<void> {
  const standing = [...walls];
  walls.clear();
  await everyStep(...standing.map((wall) => () => wall.join()));
}

const untilAllAreUp = () =>
  Promise.all(daemons.map((daemon) => untilNodes(daemon, "host1 node up, host2 node up, host3 node up")));

beforeAll(async () => {
  etcd = await EtcdFixture.start([4, 5, 6].map((number) => site().host(number)));
  const store = storeAddresses().map((address) => `${address}:2379`);
  const words = ["--cluster-store", `etcd://${store.join(",")}/${storeName}`, "--cluster-advertise", "eth0"];
  const flags = ["--live-restore", ...words];
  const options = { flags, images: ["busybox"], env: clockOf } as const;
  daemons = await Promise.all(numbers.map((number) => site().keep(number, options)));
  await untilAllAreUp();
  networkId = await host(1).ok("network", "create", "-d", "overlay", "--subnet", subnet, "blue");
  for (const daemon of daemons)
    await until("blue is there", async () => (await daemon.ok("network", "ls")).includes("blue"));
  for (const number of numbers) await start(number);
  await untilAllTalk();
});

// all that a test that failed may have left undone
afterEach(() =>
  everyStep(
    endFlows,
    mend,
    ...daemons.map((daemon) => async () => daemon.hasEnded && (await daemon.start())),
    ...etcd.members.map((member) => () => member.start()),
    () => etcd.leader(),
  ),
);

afterAll(() =>
  everyStep(
    ...containers.map(
      ({ inside }) =>
        () =>
          inside.close(),
    ),
    ...daemons.map((daemon) => () => removeContainers(daemon)),
    async () => await daemons[0]?.docker("network", "rm", "blue"),
    async () => await etcd?.[Symbol.asyncDispose](),
  ),
);

async function removeContainers(daemon: Daemon): Promise<void> {
  const listed: { Id: string }[] = await daemon.ask("GET", "/containers/json?all=1");
  await everyStep(
    ...listed.map(
      ({ Id }) =>
        () =>
          daemon.ask("DELETE", `/containers/${Id}?force=1`),
    ),
  );
}

test("a daemon that is killed is not missed by its containers, and the next one adopts them", async () => {
  flow(1, 2);
  flow(2, 3);
  const startedAt = () => host(2).ok("inspect", "-f", "{{.State.StartedAt}}", "c2");
  const before = await startedAt();
  await host(2).signal("SIGKILL");
  const added = await start(1);
  await host(2).start();
  expect(await startedAt()).toBe(before);
  await until("c2 learns what came meanwhile", () => pings(containers[1] as Container, added));
  expect(await endFlows()).toEqual([]);
  await untilAllTalk();
});

test("members of the store that are killed, its leader too, keep nobody from starting", async () => {
  flow(1, 2);
  flow(3, 1);
  const leader = await etcd.leader();
  for (const at of [leader, (leader + 1) % 3]) {
    const member = etcd.members[at];
    await member?.kill();
    const [one, two] = await Promise.all([start(2), start(3)]);
    await until("they talk", () => pings(one, two));
    await member?.start();
    await etcd.leader();
  }
  expect(await endFlows()).toEqual([]);
});

test("without any store flows lose nothing and local starts go on", async () => {
  flow(1, 2);
  flow(2, 3);
  flow(3, 1);
  for (const member of etcd.members) await member.kill();
  for (const number of numbers)
    await until(`host${number} is frozen`, async () => (await state(number)) === "frozen");
  await start(1);
  for (const member of etcd.members) await member.start();
  await etcd.leader();
  for (const number of numbers)
    await until(`host${number} is back`, async () => (await state(number)) === "connected");
  expect(await endFlows()).toEqual([]);
});

test("a clock that jumps, by days and both ways, makes nobody dead and keeps nothing waiting", async () => {
  flow(1, 2);
  flow(2, 3);
  const downs = () => daemons.flatMap(({ events }) => events.filter(({ Action }) => Action === "node-down"));
  await untilAllAreUp();
  const before = downs().length;
  // and stays where it is for the faults that follow
  for (const days of [1, -1, 30]) {
    await jump(host(2), days);
    const [one, two] = await Promise.all([start(1), start(2)]);
    await until("they talk", () => pings(one, two));
  }
  expect(downs()).toHaveLength(before);
  expect(await endFlows()).toEqual([]);
});

test("two hosts that cannot reach each other both reach the third", async () => {
  flow(1, 3);
  flow(3, 2);
  const [c1, c2, c3] = containers as [Container, Container, Container];
  await cutOff(1, host(2).host.address());
  expect(await pings(c1, c2)).toBe(false);
  await until("c1 reaches c3", () => pings(c1, c3));
  await until("c2 reaches c3", () => pings(c2, c3));
  await Promise.all([start(1), start(2)]);
  expect(await endFlows()).toEqual([]);
  await mend();
  await until("c1 reaches c2 again", () => pings(c1, c2));
});

test("a host that the store cannot see for longer than its lease goes on, and catches up", async () => {
  flow(3, 1);
  flow(2, 3);
  await cutOff(3, ...storeAddresses());
  await untilNodes(host(1), "host1 node up, host2 node up, host3 node down");
  const [mine, theirs] = await Promise.all([start(3), start(1)]);
  await mend();
  await untilNodes(host(1), "host1 node up, host2 node up, host3 node up");
  await until("they talk", () => pings(mine, theirs));
  expect(await endFlows()).toEqual([]);
});

test("in the end all talk, every name is told right, and every kernel has what the store says", async () => {
  await untilAllTalk();
  const ask = `for name in ${containers.map(({ name }) => name).join(" ")}; do
    echo $name $(nslookup -type=a $name | sed -n 's/^Address: //p'); done`;
  const told = containers.map(({ name, address }) => `${name} ${address}`).join("\n");
  for (const { daemon, name } of containers.slice(0, numbers.length))
    await expect.poll(() => daemon.ok("exec", name, "sh", "-c", ask), { interval: 500 }).toBe(told);
  await using reach = await etcd.reachFrom(site().host(4));
  const client = new EtcdClient({ endpoints: reach.endpoints });
  const read = async <T>(table: string): Promise<T[]> => {
    const { keys } = await readPrefix(client, `/tsdocker/${storeName}/${table}/`, { doing: "look" });
    return keys.map(({ value }) => decodeRecord(new TextDecoder().decode(value)) as T);
  };
  const records = await read<PublishedEndpoint>(`overlay-endpoints/${networkId}`);
  const nodes = await read<ClusterNode>("nodes");
  client.close();
  expect(records).toHaveLength(containers.length);
  const addressOf = (id: string) => nodes.find((node) => node.id === id)?.address;
  for (const [at, daemon] of daemons.entries()) {
    const self = nodes.find(({ name }) => name === `host${at + 1}`)?.id ?? "";
    const netns = join(daemon.folder, "run", "netns", `overlay-${networkId.slice(0, 12)}`);
    const wanted = wantedOf(records, { self, addressOf, subnets: [subnet] });
    await expect.poll(() => viewOf(netns)).toEqual(wanted);
  }
});
