// The daemons that are compared, each in a place of its own, with the same settings and the same images.

import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { configToml } from "../src/runtime/containerd-config.ts";
import { probeContainerd } from "../src/runtime/index.ts";
import { Client } from "./client.ts";
import { type Child, Place, until } from "./place.ts";

const root = join(import.meta.dirname, "..");
const archives = ["busybox", "nginx"].map((name) => join(root, ".cache/images", `${name}.tar`));
// Docker's default pools hold 31 networks
const pools = "base=10.0.0.0/8,size=24";

export const dockerdPath = "/usr/sbin/dockerd";
export type DaemonName = "tsdockerd" | "dockerd";
export const daemonNames: readonly DaemonName[] = existsSync(dockerdPath)
  ? ["tsdockerd", "dockerd"]
  : ["tsdockerd"];

/** A running daemon in its place. */
export interface Daemon extends AsyncDisposable {
  readonly name: DaemonName;
  readonly place: Place;
  readonly socket: string;
  readonly client: Client;
  readonly child: Child;
}

/** Starts a daemon on a containerd of its own, with the sample images in it. */
export async function startDaemon(name: DaemonName): Promise<Daemon> {
  const place = await Place.create(name);
  try {
    const { child, socket } = await startIn(place, name);
    const client = new Client(socket);
    await loadImages(client);
    return {
      name,
      place,
      socket,
      client,
      child,
      async [Symbol.asyncDispose]() {
        client.close();
        await place[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
}

export async function loadImages(client: Client): Promise<void> {
  for (const archive of archives) await client.post("/images/load", await readFile(archive));
}

export interface StartedDaemon {
  readonly child: Child;
  readonly socket: string;
  /** From the start of the process to the first answer to `GET /_ping`, in milliseconds. */
  readonly answeredAfterMs: number;
}

/** Starts a daemon in a place and waits for its first answer. Without `containerd` it starts one of its own. */
export async function startIn(place: Place, name: DaemonName, containerd?: string): Promise<StartedDaemon> {
  // not on the tmpfs, which is seen in the place alone
  const socket = place.path("api.sock");
  const flags = [
    ...[
      "-H",
      `unix://${socket}`,
      "--data-root",
      place.path("data"),
      "--exec-root",
      place.path("run", "exec"),
    ],
    ...["--pidfile", place.path("run", "pid"), "--default-address-pool", pools],
    ...(containerd === undefined ? [] : ["--containerd", containerd]),
  ];
  const argv = name === "dockerd" ? [dockerdPath, ...flags] : [join(root, "bin/tsdockerd"), ...flags];
  const begin = performance.now();
  const child = place.start(argv);
  const ping = new Client(socket);
  const isAnswering = () =>
    ping.get("/_ping").then(
      () => true,
      () => false,
    );
  await Promise.race([
    until(`${name} answers`, isAnswering),
    child.ended.then(() => Promise.reject(new Error(`${name} ended: ${argv.join(" ")}`))),
  ]);
  const answeredAfterMs = performance.now() - begin;
  ping.close();
  return { child, socket, answeredAfterMs };
}

/** A containerd in a place that a daemon can be given. */
export async function startContainerd(place: Place): Promise<{ address: string; child: Child }> {
  const state = place.path("containerd-run");
  const address = join(state, "containerd.sock");
  await mkdir(state, { recursive: true });
  const config = join(state, "containerd.toml");
  await writeFile(config, configToml({ root: place.path("containerd"), state, address }));
  const child = place.start(["containerd", "--config", config]);
  const isAnswering = () =>
    probeContainerd(address, 500).then(
      () => true,
      () => false,
    );
  await until("containerd answers", isAnswering, 20);
  return { address, child };
}
