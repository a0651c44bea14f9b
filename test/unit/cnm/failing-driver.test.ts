// A driver that throws fails the request that it was called for, and nothing else.

import { describe, expect, test } from "vitest";
import type { NetworkDriver } from "../../../src/driverapi/index.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type Steps } from "./fakes.ts";

type Method = "deleteNetwork" | "leave" | "deleteEndpoint" | "revokeExternalConnectivity";

/** Fails in what it is told to, from then on. */
class BrokenDriver extends FakeDriver {
  broken: Method | undefined;
  settled = 0;
  readonly ends: string[] = [];

  constructor(steps: Steps, capabilities: Partial<NetworkDriver["capabilities"]> = {}) {
    super(steps, "broken", capabilities);
    for (const method of [
      "deleteNetwork",
      "leave",
      "deleteEndpoint",
      "revokeExternalConnectivity",
    ] as const) {
      const work = this[method].bind(this) as (request: never) => Promise<void>;
      this[method] = async (request: unknown) => {
        this.ends.push(method);
        if (this.broken === method) throw new Error(`no ${method}`);
        await work(request as never);
      };
    }
  }

  settle: NonNullable<NetworkDriver["settle"]> = async () => void this.settled++;
}

async function worldWith() {
  const made: BrokenDriver[] = [];
  const world = await createFakeWorld({
    drivers: (steps) => {
      made.push(new BrokenDriver(steps));
      return made;
    },
  });
  const [broken] = made;
  if (!broken) throw new Error("no driver");
  await world.controller.createNetwork(networkSpec("bad", { driver: "broken" }));
  await world.controller.createNetwork(networkSpec("good"));
  return { ...world, broken };
}

test("a network that its driver does not delete when the daemon ends keeps no other, and nothing waits less", async () => {
  const { controller, broken, bridge } = await worldWith();
  broken.broken = "deleteNetwork";
  const before = broken.settled;
  await controller.close({ keeps: false });
  expect([...bridge.networks]).toEqual([]);
  // before anything is taken away, twice, and after it
  expect(broken.settled - before).toBe(3);
});

test("a network that its driver does not delete is on the list still, and can be deleted later", async () => {
  const { controller, broken } = await worldWith();
  broken.broken = "deleteNetwork";
  await expect(controller.deleteNetwork("bad")).rejects.toThrow("no deleteNetwork");
  await controller.deleteNetwork("good");
  expect(controller.networks().map(({ name }) => name)).toContain("bad");
  broken.broken = undefined;
  await controller.deleteNetwork("bad");
  expect([...broken.networks]).toEqual([]);
});

test("a driver that cannot sweep, and a namespace that does not go, keep no daemon from starting", async () => {
  const first = await worldWith();
  const { netns } = first;
  const [stuck, free] = ["0123456789ab", "ba9876543210"].map((name) => `/run/test/netns/${name}`);
  if (!stuck || !free) throw new TypeError("two paths");
  netns.pins.add(stuck).add(free);
  const removePin = netns.removePin.bind(netns);
  netns.removePin = async (path) => {
    if (path === stuck) throw new Error("device or resource busy");
    await removePin(path);
  };
  const drivers = (steps: Steps) => {
    const broken = new BrokenDriver(steps);
    return [Object.assign(broken, { sweep: () => Promise.reject(new Error("no sweep")) })];
  };
  const again = await createFakeWorld({ after: first, drivers });
  expect(again.controller.networks().map(({ name }) => name)).toEqual(
    expect.arrayContaining(["good", "bad"]),
  );
  expect([...netns.pins]).toEqual([stuck]);
});

describe.each(["leave", "deleteEndpoint", "revokeExternalConnectivity"] as const)(
  "a driver that throws in %s",
  (method) => {
    test("keeps no container from ending, nor its other networks from letting it go", async () => {
      const { controller, broken, bridge, store, netns, resolvers } = await worldWith();
      const sandbox = await controller.createSandbox(
        sandboxSpec("c1", { endpoints: [endpointSpec("bad"), endpointSpec("good")] }),
      );
      broken.broken = method;
      await sandbox.delete();
      await controller.settle();
      expect([bridge.endpoints.size, netns.pins.size, resolvers.records.size]).toEqual([0, 0, 0]);
      expect(store.sizes()).toMatchObject({ endpoints: 0, sandboxes: 0 });
      await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("good")] }));
      broken.broken = undefined;
      await controller.deleteNetwork("bad");
    });

    test("keeps no container from being disconnected", async () => {
      const { controller, broken } = await worldWith();
      const sandbox = await controller.createSandbox(
        sandboxSpec("c1", { endpoints: [endpointSpec("good"), endpointSpec("bad")] }),
      );
      broken.broken = method;
      await sandbox.disconnect("bad").catch((error) => expect(String(error)).toContain(`no ${method}`));
      await sandbox.disconnect("good");
      expect(sandbox.endpoints().filter(({ networkName }) => networkName === "good")).toEqual([]);
    });
  },
);

test("a driver with a record of its own hears after a crash what ended, in order, whatever it says to it", async () => {
  const drivers = (steps: Steps) => [new BrokenDriver(steps, { replay: false })];
  const first = await createFakeWorld({ drivers });
  await first.controller.createNetwork(networkSpec("bad", { driver: "broken" }));
  await first.controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("bad")] }));
  const again = new BrokenDriver(first.steps, { replay: false });
  again.broken = "leave";
  const { controller } = await createFakeWorld({ after: first, drivers: () => [again] });
  await controller.settle();
  expect(again.ends).toEqual(["revokeExternalConnectivity", "leave", "deleteEndpoint"]);
});
