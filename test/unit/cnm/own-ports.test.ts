// Host ports that drivers publish by themselves and are asked for: `docker ps` shows them like any others.

import { expect, test } from "vitest";
import type { PublishedPort } from "../../../src/driverapi/index.ts";
import { address, endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld, FakeDriver, type Steps } from "./fakes.ts";

const own: PublishedPort = {
  protocol: "tcp",
  containerPort: 80,
  hostAddress: address("192.0.2.1"),
  hostPort: 8080,
};

class Publisher extends FakeDriver {
  asked = 0;
  answer: () => Promise<readonly PublishedPort[]> = async () => [own];

  constructor(steps: Steps) {
    super(steps, "publisher", { replay: false });
  }

  publishedPorts(): Promise<readonly PublishedPort[]> {
    this.asked++;
    return this.answer();
  }
}

async function worldWith(answer?: Publisher["answer"]) {
  const drivers: Publisher[] = [];
  const world = await createFakeWorld({
    drivers: (steps) => {
      drivers.push(new Publisher(steps));
      return drivers;
    },
  });
  const [driver] = drivers;
  if (!driver) throw new Error("no driver");
  if (answer) driver.answer = answer;
  await world.controller.createNetwork(networkSpec("p", { driver: "publisher" }));
  await world.controller.createNetwork(networkSpec("b"));
  return { ...world, driver };
}

test("are on the container's list and on record, whether its network is the way out or not", async () => {
  const { controller, driver, store } = await worldWith();
  const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("p")] }));
  expect(sandbox.publishedPorts()).toEqual([own]);
  const other = await controller.createSandbox(sandboxSpec("c2", { endpoints: [endpointSpec("b")] }));
  await other.connect(endpointSpec("p", { gatewayPriority: -1 }));
  expect(other.publishedPorts()).toEqual([own]);
  expect(driver.asked).toBe(2);
  const records = [...store.collection<{ published: unknown[] }>("endpoints").values()];
  expect(records.filter(({ published }) => published.length === 1)).toHaveLength(2);
});

test("are asked for again when the container's ports change, and leave with the endpoint", async () => {
  const { controller, driver } = await worldWith();
  const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("p")] }));
  const binding = { protocol: "tcp", containerPort: 81, hostPorts: { first: 8081, last: 8081 } } as const;
  await sandbox.setPorts({ exposedPorts: [], portBindings: [binding], publishAll: false });
  expect(driver.asked).toBe(2);
  expect(sandbox.publishedPorts().map(({ hostPort }) => hostPort)).toEqual([8081, 8080]);
  await sandbox.disconnect("p");
  expect(sandbox.publishedPorts()).toEqual([]);
});

test("keep no container from starting that its driver does not tell of", async () => {
  const { controller } = await worldWith(() => Promise.reject(new Error("no")));
  const sandbox = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("p")] }));
  expect(sandbox.publishedPorts()).toEqual([]);
});
