// A host that refuses, and one that is slow.

import { errorMessage } from "../../util/errors.ts";
import { type Check, must, onlyIf } from "../check.ts";
import type { Scene } from "../scene.ts";
import { injected, type Weather } from "../weather.ts";
import { mustReach } from "./reach.ts";

/** So many steps a call may have; each of them is refused once. */
const mostSteps = 40;

/** How many changes of the host a call asks for. What is asked once in a driver's life was asked before. */
async function stepsOf(weather: Weather, work: () => Promise<unknown>): Promise<number> {
  weather.calm();
  await work();
  const { steps } = weather;
  weather.calm();
  onlyIf(steps > 0, "the call changes nothing on the host");
  return Math.min(steps, mostSteps);
}

async function networkSteps(scene: Scene, weather: Weather) {
  const request = scene.network();
  const remove = async () => {
    await scene.driver.deleteNetwork({ networkId: request.networkId });
    await scene.driver.settle?.();
  };
  await scene.driver.createNetwork(request);
  await remove();
  const steps = await stepsOf(weather, () => scene.driver.createNetwork(request));
  await remove();
  return { request, steps, remove };
}

/** The error of a call during which one step fails; undefined when the driver could do without it. */
async function failing(weather: Weather, step: number, work: () => Promise<unknown>): Promise<unknown> {
  weather.failAt(step);
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason ?? new Error("nothing"),
  );
  weather.calm();
  return error;
}

async function endpointSteps(scene: Scene, weather: Weather) {
  const network = await scene.madeNetwork();
  const request = scene.endpoint(network);
  const { networkId, endpointId } = request;
  const ref = { networkId, endpointId };
  const connect = async () => {
    const sandbox = await scene.sandbox();
    await scene.driver.createEndpoint(request);
    await scene.driver.join(scene.joinRequest(ref, sandbox));
  };
  const remove = async () => {
    await scene.driver.leave(ref);
    await scene.removeSandboxes();
    await scene.driver.deleteEndpoint(ref);
    await scene.driver.settle?.();
  };
  const before = await settledRemains(scene);
  await connect();
  await remove();
  const steps = await stepsOf(weather, connect);
  await remove();
  return { connect, remove, steps, before };
}

async function settledRemains(scene: Scene) {
  await scene.driver.settle?.();
  return await scene.stage.remains();
}

export const faultChecks: readonly Check<Scene>[] = [
  {
    id: "faults/network",
    rule: "A network whose making fails at any step leaves nothing behind.",
    where: "NetworkDriver.createNetwork",
    hint: "put what takes each step back on a stack, and unwind it when a later step fails",
    async run(scene) {
      const weather = scene.needWeather();
      const { request, steps, remove } = await networkSteps(scene, weather);
      for (let step = 1; step <= steps; step++) {
        const error = await failing(weather, step, () => scene.driver.createNetwork(request));
        if (error === undefined) await remove();
        await scene.mustBeClean(`nothing left after step ${step} of ${steps} failed`);
      }
    },
  },
  {
    id: "faults/network-again",
    rule: "A network whose making failed can be made again at once.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const weather = scene.needWeather();
      const { request, steps, remove } = await networkSteps(scene, weather);
      for (let step = 1; step <= steps; step++) {
        await failing(weather, step, () => scene.driver.createNetwork(request));
        await scene.driver.createNetwork(request);
        if (step === steps) await scene.connected(request).then((member) => scene.disconnected(member));
        await remove();
      }
    },
  },
  {
    id: "faults/tells",
    rule: "What the host said when it refused is in the driver's error.",
    where: "NetworkDriver.createNetwork",
    hint: "wrap errors with what was tried; do not replace them",
    async run(scene) {
      const weather = scene.needWeather();
      const { request, steps, remove } = await networkSteps(scene, weather);
      for (let step = 1; step <= steps; step++) {
        const error = await failing(weather, step, () => scene.driver.createNetwork(request));
        if (error === undefined) await remove();
        else
          must(errorMessage(error).includes(injected), `a text with "${injected}"`, () =>
            errorMessage(error),
          );
      }
    },
  },
  {
    id: "faults/delete-network",
    rule: "What a deletion that failed at any step has left is gone after the next one, or after the next start.",
    where: "NetworkDriver.deleteNetwork",
    hint: "forget a network last, when all of it is gone",
    async run(scene) {
      const weather = scene.needWeather();
      const { request, remove } = await networkSteps(scene, weather);
      await scene.driver.createNetwork(request);
      const steps = await stepsOf(weather, remove);
      for (let step = 1; step <= steps; step++) {
        await scene.driver.createNetwork(request);
        const error = await failing(scene.needWeather(), step, remove);
        await remove();
        // what follows the answer fails unheard: the next start takes it away
        if (error === undefined && scene.driver.sweep) await sweptByNextStart(scene);
        await scene.mustBeClean(
          `nothing left after step ${step} of ${steps} failed and deletion was repeated`,
        );
      }
    },
  },
  {
    id: "faults/endpoint",
    rule: "An endpoint whose making or joining fails at any step leaves nothing when it is deleted.",
    where: "NetworkDriver.join",
    hint: "put what takes each step back on a stack, and unwind it when a later step fails",
    async run(scene) {
      const weather = scene.needWeather();
      const { connect, remove, steps, before } = await endpointSteps(scene, weather);
      for (let step = 1; step <= steps; step++) {
        await failing(weather, step, connect);
        await remove();
        await scene.mustBeClean(`nothing left of the endpoint after step ${step} of ${steps} failed`, before);
      }
    },
  },
  {
    id: "faults/endpoint-again",
    rule: "An endpoint whose joining failed at any step can join again at once.",
    where: "NetworkDriver.join",
    async run(scene) {
      const weather = scene.needWeather();
      const { connect, remove, steps } = await endpointSteps(scene, weather);
      for (let step = 1; step <= steps; step++) {
        const error = await failing(weather, step, connect);
        if (error !== undefined) await connect();
        await remove();
      }
    },
  },
  {
    id: "faults/others",
    rule: "When one endpoint fails, others of the network go on.",
    where: "NetworkDriver.join",
    async run(scene) {
      const weather = scene.needWeather();
      scene.needLinks();
      const network = await scene.madeNetwork();
      const [first, second] = [await scene.connected(network), await scene.connected(network)];
      const unlucky = scene.endpoint(network);
      const sandbox = await scene.sandbox();
      const connect = async () => {
        await scene.driver.createEndpoint(unlucky);
        await scene.driver.join(scene.joinRequest(unlucky, sandbox));
      };
      for (let step = 1; step <= 3; step++) await failing(weather, step, connect);
      await mustReach(first, second);
    },
  },
  {
    id: "latency/networks",
    rule: "On a slow host networks that are made and deleted at once leave nothing.",
    where: "NetworkDriver.createNetwork",
    async run(scene) {
      const weather = scene.needWeather();
      weather.delay(scene.random, 8);
      const count = scene.driver.capabilities.predefinedOnly ? 1 : 4;
      await Promise.all(
        Array.from({ length: count }, async () => {
          const { networkId } = await scene.madeNetwork();
          await scene.driver.deleteNetwork({ networkId });
        }),
      );
      await scene.driver.settle?.();
      weather.calm();
      await scene.mustBeClean();
    },
  },
  {
    id: "latency/endpoints",
    rule: "On a slow host endpoints that join at once reach each other.",
    where: "NetworkDriver.join",
    async run(scene) {
      const weather = scene.needWeather();
      const network = await scene.madeNetwork();
      weather.delay(scene.random, 8);
      const members = await Promise.all(Array.from({ length: 4 }, () => scene.connected(network)));
      weather.calm();
      const [first, second] = members;
      if (scene.hasLinks && first && second) await mustReach(first, second);
    },
  },
  {
    id: "latency/same-endpoint",
    rule: "On a slow host an endpoint that is made several times at once is one endpoint.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const weather = scene.needWeather();
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const request = scene.endpoint(network);
      weather.delay(scene.random, 8);
      await Promise.all(Array.from({ length: 3 }, () => scene.driver.createEndpoint(request)));
      weather.calm();
      const { networkId, endpointId } = request;
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      await scene.mustBeClean("nothing left of the endpoint when it is deleted once", before);
    },
  },
  {
    id: "latency/come-and-go",
    rule: "On a slow host endpoints that come while others go leave nothing.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const weather = scene.needWeather();
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      weather.delay(scene.random, 8);
      await Promise.all(
        Array.from({ length: 4 }, async () => scene.disconnected(await scene.connected(network))),
      );
      await scene.driver.settle?.();
      weather.calm();
      await scene.mustBeClean("the network without endpoints", before);
    },
  },
];

async function sweptByNextStart(scene: Scene): Promise<void> {
  await scene.stage.restart(async () => undefined);
  await scene.driver.sweep?.({ networkIds: new Set(), endpointIds: new Set() });
}
