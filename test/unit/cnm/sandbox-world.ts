// A controller on fake drivers with networks to put sandboxes on, for tests of sandboxes.

import { expect } from "vitest";
import type { Sandbox } from "../../../src/cnm/index.ts";
import { formatPrefix } from "../../../src/netip/index.ts";
import { networkSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, type FakeWorld, leased } from "./fakes.ts";

export const binding = (containerPort: number, hostPort?: number) => ({
  protocol: "tcp" as const,
  containerPort,
  ...(hostPort && { hostPorts: { first: hostPort, last: hostPort } }),
});

export async function worldWith(...networks: readonly string[]): Promise<FakeWorld> {
  const world = await createFakeWorld();
  for (const name of networks) await world.controller.createNetwork(networkSpec(name));
  world.steps.transcript.length = 0;
  return world;
}

export function addresses(sandbox: Sandbox): string[] {
  return sandbox.endpoints().map(({ ipv4 }) => (ipv4 ? formatPrefix(ipv4) : ""));
}

/** Nothing of a sandbox is anywhere. */
export async function expectNothing(world: FakeWorld, ...networks: readonly string[]): Promise<void> {
  await world.controller.settle();
  expect(world.netns.pins).toEqual(new Set());
  expect(world.bridge.endpoints).toEqual(new Map());
  expect(world.bridge.published).toEqual(new Set());
  expect(world.resolvers.resolvers).toEqual(new Map());
  expect(world.resolvers.records).toEqual(new Map());
  expect(world.store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
  for (const network of networks) {
    expect(await leased(world, network)).toEqual([1n]);
    expect((await world.controller.network(network).view()).members).toEqual([]);
  }
}
