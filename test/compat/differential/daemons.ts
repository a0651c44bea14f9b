// The two daemons, each in a network and mount namespace of its own, with the same image.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { inject } from "vitest";
import { type DaemonName, dockerdPath } from "../../../bench/daemons.ts";
import { Place, until } from "../../../bench/place.ts";
import { request } from "../../e2e/http.ts";
import { imageArchive } from "../../e2e/images.ts";
import type { Saved } from "./exchange.ts";

export interface Peer extends AsyncDisposable {
  readonly name: DaemonName;
  readonly socket: string;
  readonly saved: Saved;
}

/** Why there is nothing to compare with; undefined when there is. */
export function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  return existsSync(dockerdPath) ? undefined : `no ${dockerdPath}`;
}

const commandOf = (name: DaemonName): readonly string[] =>
  name === "dockerd" ? [dockerdPath] : [process.execPath, join(inject("programs"), "tsdockerd.mjs")];

function flags(place: Place, socket: string): string[] {
  return [
    ...[
      "-H",
      `unix://${socket}`,
      "--data-root",
      place.path("data"),
      "--exec-root",
      place.path("run", "exec"),
    ],
    // Docker's own pools hold 31 networks
    ...["--pidfile", place.path("run", "pid"), "--default-address-pool", "base=10.0.0.0/8,size=24"],
  ];
}

const isAnswering = (socket: string) =>
  request(socket, "GET", "/_ping").then(
    ({ status }) => status === 200,
    () => false,
  );

/** Starts one with busybox:latest in it. */
export async function startPeer(name: DaemonName): Promise<Peer> {
  const place = await Place.create(name);
  try {
    const socket = place.path("api.sock");
    place.start([...commandOf(name), ...flags(place, socket)]);
    await until(`${name} answers`, () => isAnswering(socket));
    const { status } = await request(socket, "POST", "/images/load?quiet=1", await imageArchive("busybox"));
    if (status !== 200) throw new Error(`load busybox into ${name}: ${status}`);
    return { name, socket, saved: new Map(), [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

/** Removes all containers, and networks, volumes and names of images that it has not had from the beginning. */
export async function empty({ socket }: Peer): Promise<void> {
  const list = async (path: string) => (await request(socket, "GET", path)).body;
  const remove = (path: string) => request(socket, "DELETE", path);
  for (const { Id } of await list("/containers/json?all=1")) await remove(`/containers/${Id}?force=1&v=1`);
  for (const { Id, Name } of await list("/networks"))
    if (!["bridge", "host", "none"].includes(Name)) await remove(`/networks/${Id}`);
  for (const { Name } of (await list("/volumes")).Volumes ?? []) await remove(`/volumes/${Name}?force=1`);
  for (const { RepoTags } of await list("/images/json"))
    for (const tag of RepoTags ?? []) if (tag !== "busybox:latest") await remove(`/images/${tag}`);
}
