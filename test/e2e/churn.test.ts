// Containers, networks and volumes come and go while everything is asked for. A list has what there is and never fails;
// who asks for one object, or changes it, is told in Docker's words that it is gone, busy or not running.

import { expect, test } from "vitest";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite();
const daemon = () => site().daemon;

const writers = 4;
const changesOfEach = 90;

/** What may be answered beside success: a status and Docker's words for it. */
const refusals: readonly (readonly [number, RegExp])[] = [
  [404, /^No such container: \S+$/],
  [404, /^No such exec instance: \S+$/],
  [404, /^(failed to set up container networking: )?network \S+ not found$/],
  [404, /^get \S+: no such volume$/],
  [409, /^container \S+ is not running$/],
  [409, /^cannot kill container: \S+: container \S+ is not running$/],
  [409, /^container \S+ is (already )?paused(, unpause the container before (exec|attach))?$/],
  [409, /^cannot start a paused container, try unpause instead$/],
  [500, /^container \S+ is not paused$/],
  [409, /^Conflict\. The container name "\S+" is already in use by container "\S+"\. You have to remove /],
  [400, /^Renaming a container with the same name as its current name$/],
  [409, /^removal of container \S+ is already in progress$/],
  [409, /^cannot remove container "\S+": container is (running|paused): \w+ the container before /],
  [409, /^container is marked for removal and cannot be started$/],
  [409, /^Cannot update container \S+: container is marked for removal and cannot be "update"$/],
  [409, /^container \S+ is marked for removal and cannot be connected or disconnected to the network$/],
  [409, /^network with name \S+ already exists$/],
  [403, /^error while removing network: network \S+ has active endpoints /],
  [
    403,
    /^container cannot be connected to multiple networks with one of the networks in private \(none\) mode$/,
  ],
  [403, /^endpoint with name \S+ already exists in network \S+$/],
  [500, /^container \S+ is not connected to network \S+$/],
  [409, /^exec \S+ (is already running|has already run|is not running)$/],
  [404, /^No such image: \S+$/],
  // of an image without files
  [400, /: exec: "none": executable file not found in \$PATH: unknown$/],
  [
    409,
    /^conflict: unable to (remove repository reference|delete) \S+ \((must be forced|must force|cannot be forced)\) - /,
  ],
  [409, /^remove \S+: volume is in use - \[.+\]$/],
  [409, /^a prune operation is already running$/],
];

/** What was asked and answered otherwise. */
const strange = new Map<string, number>();

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** It answers whatever comes and goes. */
  readonly isList?: true;
}

async function ask({ method, path, body, isList }: Asked) {
  const answer = await daemon().api(method, path, body);
  const { status } = answer;
  const message = String(answer.body?.message ?? "");
  const isRefused = refusals.some(([code, words]) => code === status && words.test(message));
  if (status >= 400 && (isList || !isRefused)) note(`${method} ${path}: ${status} ${message}`);
  return answer;
}

function note(what: string): void {
  const anonymous = what.replace(/[0-9a-f]{64}/g, "<id>");
  strange.set(anonymous, (strange.get(anonymous) ?? 0) + 1);
}

type Choose = <T>(from: readonly [T, ...T[]]) => T;

/** The same choices at each run; what they meet is up to the machine. */
function chooser(seed: number): Choose {
  let state = seed;
  return (from) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)] ?? from[0];
  };
}

// few, so that those who change them meet
const containers = ["c0", "c1", "c2", "c3"] as const;
const networks = ["n0", "n1"] as const;
const volumes = ["v0", "v1"] as const;
const images = ["i0", "i1"] as const;

const containerSpec = (choose: Choose) => ({
  Image: "busybox",
  Cmd: choose([
    ["sleep", "1000"],
    ["sleep", "1000"],
    ["echo", "done"],
  ]),
  HostConfig: {
    NetworkMode: choose(["bridge", "none", ...networks]),
    Binds: [`${choose(volumes)}:/data`],
    AutoRemove: choose([false, false, true]),
  },
  Volumes: choose([{}, { "/anonymous": {} }]),
});

async function create(choose: Choose): Promise<void> {
  const name = choose(containers);
  const { status, body } = await ask({
    method: "POST",
    path: `/containers/create?name=${name}`,
    body: containerSpec(choose),
  });
  if (status !== 201) return;
  void follow(body.Id).catch((error) => note(`follow: ${error}`));
  await ask({ method: "POST", path: `/containers/${name}/start` });
}

/** Who is not answered yet. */
const following = new Set<string>();

/** Whoever waits for a container's end, or follows what it writes and uses, is answered when it is removed at the latest. */
async function follow(id: string): Promise<void> {
  const open = async (method: string, path: string) => {
    following.add(path);
    return await ask({ method, path }).finally(() => following.delete(path));
  };
  const [{ status, body }] = await Promise.all([
    open("POST", `/containers/${id}/wait?condition=removed`),
    open("POST", `/containers/${id}/wait?condition=next-exit`),
    open("POST", `/containers/${id}/attach?stream=1&stdout=1`),
    open("GET", `/containers/${id}/logs?follow=1&stdout=1`),
    open("GET", `/containers/${id}/stats`),
  ]);
  if (status === 200 && typeof body.StatusCode !== "number") note(`wait: ${JSON.stringify(body)}`);
}

async function execute(choose: Choose): Promise<void> {
  const body = { Cmd: choose([["true"], ["sleep", "1"]]), AttachStdout: true };
  const created = await ask({ method: "POST", path: `/containers/${choose(containers)}/exec`, body });
  if (created.status !== 201) return;
  const { Id } = created.body;
  await Promise.all([
    ask({ method: "POST", path: `/exec/${Id}/start`, body: { Detach: choose([true, false]) } }),
    ask({ method: "POST", path: `/exec/${Id}/resize?h=24&w=80` }),
    ask({ method: "GET", path: `/exec/${Id}/json` }),
  ]);
}

/** An image without files, which nothing can be started from. */
async function importImage(choose: Choose): Promise<void> {
  const path = `/images/create?fromSrc=-&repo=${choose(images)}&tag=latest`;
  const { status, body } = await ask({ method: "POST", path, body: Buffer.alloc(1024) });
  const text = JSON.stringify(body);
  if (status === 200 && text.includes("errorDetail")) note(`import: ${text}`);
}

const post = (path: string, body?: unknown) => ask({ method: "POST", path, body });
const remove = (path: string) => ask({ method: "DELETE", path });

const changes: readonly [(choose: Choose) => Promise<unknown>, ...((choose: Choose) => Promise<unknown>)[]] =
  [
    create,
    create,
    create,
    execute,
    (choose) => post(`/containers/${choose(containers)}/start`),
    (choose) => post(`/containers/${choose(containers)}/stop?t=0`),
    (choose) => post(`/containers/${choose(containers)}/restart?t=0`),
    (choose) => post(`/containers/${choose(containers)}/kill`),
    (choose) => post(`/containers/${choose(containers)}/pause`),
    (choose) => post(`/containers/${choose(containers)}/unpause`),
    (choose) => post(`/containers/${choose(containers)}/rename?name=${choose(containers)}`),
    (choose) => post(`/containers/${choose(containers)}/update`, { PidsLimit: 100 }),
    (choose) => remove(`/containers/${choose(containers)}?v=1`),
    (choose) => remove(`/containers/${choose(containers)}?force=1&v=1`),
    (choose) => remove(`/containers/${choose(containers)}?force=1&v=1`),
    (choose) => post("/networks/create", { Name: choose(networks) }),
    (choose) => post(`/networks/${choose(networks)}/connect`, { Container: choose(containers) }),
    (choose) => post(`/networks/${choose(networks)}/disconnect`, { Container: choose(containers) }),
    (choose) => remove(`/networks/${choose(networks)}`),
    (choose) => post("/volumes/create", { Name: choose(volumes) }),
    (choose) => remove(`/volumes/${choose(volumes)}`),
    importImage,
    (choose) => post(`/images/${choose(images)}/tag?repo=${choose(images)}&tag=latest`),
    (choose) => remove(`/images/${choose(images)}?force=${choose(["0", "1"])}`),
    (choose) =>
      post(`/containers/create?name=${choose(containers)}`, { Image: choose(images), Cmd: ["none"] }),
    (choose) => post(`/${choose(["containers", "images", "networks", "volumes"])}/prune`),
  ];

const filter = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

const lists = [
  "/containers/json",
  "/containers/json?all=1&size=1",
  `/containers/json?all=1&${filter({ network: ["n0"], status: ["running", "exited"] })}`,
  `/containers/json?all=1&size=1&${filter({ volume: ["v0"] })}`,
  "/system/df",
  "/info",
  "/images/json?shared-size=1",
  "/images/busybox/json",
  "/images/busybox/history",
  `/images/json?${filter({ dangling: ["true"] })}`,
  "/networks",
  `/networks?${filter({ dangling: ["true"] })}`,
  "/networks/bridge?verbose=1",
  "/volumes",
  `/volumes?${filter({ dangling: ["true"] })}`,
  "/plugins",
  `/events?since=0&until=${Math.floor(Date.now() / 1000)}`,
];

const singles = [
  ...containers.flatMap((name) => [
    `/containers/${name}/json?size=1`,
    `/containers/${name}/top`,
    `/containers/${name}/logs?stdout=1`,
    `/containers/${name}/stats?stream=0&one-shot=1`,
    `/containers/json?all=1&${filter({ before: [name] })}`,
    `/containers/json?all=1&${filter({ since: [name] })}`,
  ]),
  ...networks.flatMap((name) => [`/networks/${name}`, `/networks/${name}?verbose=1`]),
  ...volumes.map((name) => `/volumes/${name}`),
  ...images.flatMap((name) => [`/images/${name}/json`, `/images/${name}/history`]),
];

test("lists never fail, and single requests are refused in Docker's words", {
  timeout: 180_000,
}, async () => {
  const before = await daemon().snapshot();
  let isOver = false;
  const read = async (asked: readonly Asked[]) => {
    while (!isOver) for (const one of asked) await ask(one);
  };
  const readers = [
    read(lists.map((path) => ({ method: "GET", path, isList: true }))),
    read(lists.slice(0, 5).map((path) => ({ method: "GET", path, isList: true }))),
    read(singles.map((path) => ({ method: "GET", path }))),
  ];
  const write = async (seed: number) => {
    const choose = chooser(seed);
    for (let at = 0; at < changesOfEach; at++) await choose(changes)(choose);
  };
  await Promise.all(Array.from({ length: writers }, (_, at) => write(at + 1)));
  isOver = true;
  await Promise.all(readers);
  await until("all containers are gone", async () => {
    const left: { Id: string }[] = await daemon().ask("GET", "/containers/json?all=1");
    await Promise.all(left.map(({ Id }) => remove(`/containers/${Id}?force=1&v=1`)));
    return left.length === 0;
  });
  await daemon().removeAll();
  await expect.poll(() => [...following], { timeout: 30_000 }).toEqual([]);
  expect(Object.fromEntries(strange)).toEqual({});
  await daemon().expectBackTo(before);
  expect(await daemon().containerSnapshots()).toEqual([]);
});
