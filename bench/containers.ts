// Containers and networks as the measures need them.

import { type Answer, type Client, textOf } from "./client.ts";
import { timed } from "./measure.ts";

/** Where a container is connected and what it publishes. */
export interface Wiring {
  /** A network's name, or `none`, `bridge`. */
  readonly network: string;
  /** So many tcp ports, from 20000 on, on host ports of the same numbers. */
  readonly ports?: number;
  /** The container's numbers are this much below the host's: then a range is as many ports, nothing simpler. */
  readonly shift?: number;
  /** One more: `80/tcp` on a host port. */
  readonly also?: { readonly port: string; readonly hostPort: number };
}

const firstPort = 20_000;

export function createBody(
  command: readonly string[],
  { network, ports = 0, shift = 0, also }: Wiring,
): object {
  const numbers = Array.from({ length: ports }, (_, at) => firstPort + at);
  const published = [
    ...numbers.map((port) => ({ port: `${port - shift}/tcp`, hostPort: port })),
    ...(also ? [also] : []),
  ];
  return {
    Image: "busybox",
    Cmd: command,
    ExposedPorts: Object.fromEntries(published.map(({ port }) => [port, {}])),
    HostConfig: {
      NetworkMode: network,
      PortBindings: Object.fromEntries(
        published.map(({ port, hostPort }) => [port, [{ HostPort: String(hostPort) }]]),
      ),
    },
  };
}

export async function create(client: Client, command: readonly string[], wiring: Wiring): Promise<string> {
  return textOf(await client.post("/containers/create", createBody(command, wiring)), "Id");
}

export interface Stages {
  readonly create: number;
  readonly start: number;
  readonly wait: number;
  readonly remove: number;
}

/** create + start + wait + rm of `true`, in milliseconds by stage. */
export async function runOnce(client: Client, wiring: Wiring): Promise<Stages> {
  const created = await timed(() => create(client, ["true"], wiring));
  const id = created.value;
  const started = await timed(() => client.post(`/containers/${id}/start`));
  const waited = await timed(() => client.post(`/containers/${id}/wait`));
  const removed = await timed(() => client.delete(`/containers/${id}`));
  checkExit(waited.value);
  return { create: created.ms, start: started.ms, wait: waited.ms, remove: removed.ms };
}

/** A container of `true` that has ended. */
export async function runToEnd(client: Client, wiring: Wiring): Promise<void> {
  const id = await create(client, ["true"], wiring);
  await client.post(`/containers/${id}/start`);
  checkExit(await client.post(`/containers/${id}/wait`));
}

function checkExit({ body }: Answer): void {
  const { StatusCode } = body as { StatusCode?: number };
  if (StatusCode !== 0) throw new Error(`true ended with ${StatusCode}`);
}

/** Runs `work` with a container that sleeps, and removes it. */
export async function withSleeper<T>(
  client: Client,
  wiring: Wiring,
  work: (id: string, startMs: number) => Promise<T>,
): Promise<T> {
  const id = await create(client, ["sleep", "3600"], wiring);
  try {
    const { ms } = await timed(() => client.post(`/containers/${id}/start`));
    return await work(id, ms);
  } finally {
    await client.delete(`/containers/${id}?force=1`);
  }
}

export async function createNetwork(client: Client, name: string): Promise<void> {
  await client.post("/networks/create", { Name: name, Driver: "bridge", CheckDuplicate: true });
}

export async function removeNetwork(client: Client, name: string): Promise<void> {
  await client.delete(`/networks/${name}`);
}

/** Runs `work` with a network, and removes it. */
export async function withNetwork<T>(client: Client, name: string, work: () => Promise<T>): Promise<T> {
  await createNetwork(client, name);
  try {
    return await work();
  } finally {
    await removeNetwork(client, name);
  }
}
