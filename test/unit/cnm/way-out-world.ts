// A controller on fake drivers of which one has networks that lead nowhere by themselves, as an overlay's.

import { expect } from "vitest";
import type { EndpointSpec, Sandbox } from "../../../src/cnm/index.ts";
import type { JoinRequest, JoinResponse, SweepRequest } from "../../../src/driverapi/index.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import {
  createFakeWorld,
  FakeDriver,
  type FakeWorld,
  type FakeWorldOptions,
  leased,
  type Steps,
} from "./fakes.ts";

/** Its endpoints have no gateway, and want one, as an overlay's. */
export class TunnelDriver extends FakeDriver {
  readonly swept: SweepRequest[] = [];

  constructor(steps: Steps) {
    super(steps, "tunnel");
  }

  override async join(request: JoinRequest): Promise<JoinResponse> {
    const { gateway: _, ...response } = await super.join(request);
    return response;
  }
}

/** A bridge driver that writes down what a start left to it. */
export class SweptDriver extends FakeDriver {
  readonly swept: SweepRequest[] = [];

  async sweep(request: SweepRequest): Promise<void> {
    this.swept.push(request);
  }
}

export const gateway = "docker_gwbridge";
export const port = { protocol: "tcp" as const, containerPort: 80, hostPorts: { first: 8080, last: 8080 } };

export const worldOf = (options: FakeWorldOptions = {}) =>
  createFakeWorld({
    drivers: (steps) => [new TunnelDriver(steps), new SweptDriver(steps, "swept")],
    ...options,
  });

/** A world with tunnels t1, t2…, and whatever else. */
export async function worldWith(...names: readonly string[]): Promise<FakeWorld> {
  const world = await worldOf();
  for (const name of names)
    await world.controller.createNetwork(
      networkSpec(name, { driver: name.startsWith("t") ? "tunnel" : "bridge", internal: name.endsWith("i") }),
    );
  world.steps.transcript.length = 0;
  return world;
}

export const start = (world: FakeWorld, name: string, networks: readonly (string | EndpointSpec)[]) =>
  world.controller.createSandbox(
    sandboxSpec(name, {
      portBindings: [port],
      endpoints: networks.map((it) => (typeof it === "string" ? endpointSpec(it) : it)),
    }),
  );

/** Names of those that are on it; undefined: there is no such network. */
export async function onGateway({ controller }: FakeWorld): Promise<string[] | undefined> {
  const network = controller.networks().find(({ name }) => name === gateway);
  return network && (await network.view()).members.map(({ name }) => name);
}

export const hiddenName = ({ id }: Sandbox) => `gateway_${id.slice(0, 12)}`;
export const networksOf = (sandbox: Sandbox) =>
  sandbox.endpoints().map(({ networkName, interfaceName }) => `${networkName} ${interfaceName}`);
export const hostPorts = (sandbox: Sandbox) => sandbox.publishedPorts().map(({ hostPort }) => hostPort);

export async function expectNothing(world: FakeWorld, ...networks: readonly string[]): Promise<void> {
  await world.controller.settle();
  expect(world.netns.pins).toEqual(new Set());
  expect(world.bridge.endpoints).toEqual(new Map());
  expect(world.bridge.published).toEqual(new Set());
  expect(world.store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
  for (const network of networks) expect(await leased(world, network)).toEqual([1n]);
  expect((await onGateway(world)) ?? []).toEqual([]);
}
