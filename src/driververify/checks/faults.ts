// A host that refuses: each step of each call, once.

import type { CreateNetworkRequest } from "../../driverapi/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { type Check, must } from "../check.ts";
import { endpointSteps, links, type NetworkFacts, networkSteps, weather } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import type { Remains } from "../stage.ts";
import { injected } from "../weather.ts";
import { mustReach } from "./reach.ts";

type FaultCheck = Check<Scene, NetworkFacts>;
type Facts = Omit<FaultCheck, "run" | "needs">;

/** So many steps a call may have; each of them is refused once. */
const mostSteps = 40;

/** How many changes of the host a call asks for. What is asked once in a driver's life was asked before. */
async function stepsOf({ weather: own }: Scene, work: () => Promise<unknown>): Promise<number> {
  own.calm();
  await work();
  const { steps } = own;
  own.calm();
  return Math.min(steps, mostSteps);
}

/** The error of a call during which one step fails; undefined when the driver could do without it. */
async function failing(scene: Scene, step: number, work: () => Promise<unknown>): Promise<unknown> {
  scene.weather.failAt(step);
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason ?? new Error("nothing"),
  );
  scene.weather.calm();
  return error;
}

/** One step of many, refused. */
interface Fault {
  readonly scene: Scene;
  /** Undefined: the driver could do without it. */
  readonly error: unknown;
  /** What was tried. */
  readonly make: () => Promise<unknown>;
  readonly remove: () => Promise<void>;
  /** `step 2 of 5` */
  readonly words: string;
  readonly isLast: boolean;
}

interface Tried {
  readonly make: () => Promise<unknown>;
  readonly remove: () => Promise<void>;
}

/** Makes and removes once, to know how many steps there are; then once for each of them. */
async function faults(scene: Scene, tried: Tried, judge: (fault: Fault) => Promise<void>): Promise<void> {
  const { make, remove } = tried;
  await make();
  await remove();
  const steps = await stepsOf(scene, make);
  await remove();
  for (let step = 1; step <= steps; step++) {
    const error = await failing(scene, step, make);
    const words = `step ${step} of ${steps}`;
    await judge({ scene, error, make, remove, words, isLast: step === steps });
  }
}

/** A rule about a network of which each step is refused once. */
function networkFaults(
  facts: Facts,
  judge: (fault: Fault, request: CreateNetworkRequest) => Promise<void>,
): FaultCheck {
  const run = async (scene: Scene) => {
    const request = scene.network();
    await faults(scene, lifeOf(scene, request), (fault) => judge(fault, request));
  };
  return { ...facts, needs: [weather, networkSteps], run };
}

function lifeOf(scene: Scene, request: CreateNetworkRequest): Tried {
  return {
    make: () => scene.driver.createNetwork(request),
    remove: async () => {
      await scene.driver.deleteNetwork({ networkId: request.networkId });
      await scene.driver.settle?.();
    },
  };
}

/** A rule about an endpoint of which each step is refused once, and its network. */
function endpointFaults(facts: Facts, judge: (fault: Fault, before: Remains) => Promise<void>): FaultCheck {
  const run = async (scene: Scene) => {
    const request = scene.endpoint(await scene.madeNetwork());
    const { networkId, endpointId } = request;
    const ref = { networkId, endpointId };
    const make = async () => {
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
    const before = await scene.settled();
    await faults(scene, { make, remove }, (fault) => judge(fault, before));
  };
  return { ...facts, needs: [weather, endpointSteps], run };
}

const unwinding = "put what takes each step back on a stack, and unwind it when a later step fails";

export const faultChecks: readonly FaultCheck[] = [
  networkFaults(
    {
      id: "faults/network",
      rule: "A network whose making fails at any step leaves nothing behind.",
      where: "NetworkDriver.createNetwork",
      hint: unwinding,
    },
    async ({ scene, error, remove, words }) => {
      if (error === undefined) await remove();
      await scene.mustBeClean(`nothing left after ${words} failed`);
    },
  ),
  networkFaults(
    {
      id: "faults/network-again",
      rule: "A network whose making failed can be made again at once.",
      where: "NetworkDriver.createNetwork",
    },
    async ({ scene, make, remove, isLast }, request) => {
      await make();
      if (isLast) await scene.disconnected(await scene.connected(request));
      await remove();
    },
  ),
  networkFaults(
    {
      id: "faults/tells",
      rule: "What the host said when it refused is in the driver's error.",
      where: "NetworkDriver.createNetwork",
      hint: "wrap errors with what was tried; do not replace them",
    },
    async ({ error, remove }) => {
      if (error === undefined) return await remove();
      must(errorMessage(error).includes(injected), `a text with "${injected}"`, () => errorMessage(error));
    },
  ),
  {
    id: "faults/delete-network",
    rule: "What a deletion that failed at any step has left is gone after the next one, or after the next start.",
    where: "NetworkDriver.deleteNetwork",
    needs: [weather, networkSteps],
    hint: "forget a network last, when all of it is gone",
    async run(scene) {
      const { make, remove } = lifeOf(scene, scene.network());
      await make();
      const steps = await stepsOf(scene, remove);
      for (let step = 1; step <= steps; step++) {
        await make();
        const error = await failing(scene, step, remove);
        await remove();
        // what follows the answer fails unheard: the next start takes it away
        if (error === undefined && scene.driver.sweep) await sweptByNextStart(scene);
        await scene.mustBeClean(
          `nothing left after step ${step} of ${steps} failed and deletion was repeated`,
        );
      }
    },
  },
  endpointFaults(
    {
      id: "faults/endpoint",
      rule: "An endpoint whose making or joining fails at any step leaves nothing when it is deleted.",
      where: "NetworkDriver.join",
      hint: unwinding,
    },
    async ({ scene, remove, words }, before) => {
      await remove();
      await scene.mustBeClean(`nothing left of the endpoint after ${words} failed`, before);
    },
  ),
  endpointFaults(
    {
      id: "faults/endpoint-again",
      rule: "An endpoint whose joining failed at any step can join again at once.",
      where: "NetworkDriver.join",
    },
    async ({ error, make, remove }) => {
      if (error !== undefined) await make();
      await remove();
    },
  ),
  {
    id: "faults/others",
    rule: "When one endpoint fails, others of the network go on.",
    where: "NetworkDriver.join",
    needs: [weather, links],
    async run(scene) {
      const network = await scene.madeNetwork();
      const [first, second] = [await scene.connected(network), await scene.connected(network)];
      const unlucky = scene.endpoint(network);
      const sandbox = await scene.sandbox();
      const connect = async () => {
        await scene.driver.createEndpoint(unlucky);
        await scene.driver.join(scene.joinRequest(unlucky, sandbox));
      };
      for (let step = 1; step <= 3; step++) await failing(scene, step, connect);
      await mustReach(first, second);
    },
  },
];

async function sweptByNextStart(scene: Scene): Promise<void> {
  await scene.restart();
  await scene.driver.sweep?.({ networkIds: new Set(), endpointIds: new Set() });
}
