// A daemon that crashes and starts again: what serves goes on.

import type { CreateNetworkRequest } from "../../driverapi/index.ts";
import { errorMessage } from "../../util/errors.ts";
import { type Check, must } from "../check.ts";
import {
  cluster as inCluster,
  links,
  member,
  type NetworkFacts,
  replay as repeated,
  restart,
} from "../network-needs.ts";
import { type Member, noOptions, type Scene } from "../scene.ts";
import { show } from "../show.ts";
import { mustReach } from "./reach.ts";
import { replay, restarted, serving, sweep } from "./restarting.ts";

export const restartChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "restart/serves",
    rule: "Endpoints reach each other after a crash as before.",
    where: "Capabilities.replay",
    needs: [links, restart],
    async run(scene) {
      const { first, second, record } = await serving(scene);
      await restarted(scene, record);
      await mustReach(first, second);
    },
  },
  {
    id: "restart/not-cut",
    rule: "Before anything is repeated to it a new instance cuts nothing.",
    where: "NetworkDriverFactory",
    needs: [links, restart],
    async run(scene) {
      const { first, second, record } = await serving(scene);
      await scene.driver.settle?.();
      await scene.restart(async (driver) => {
        await mustReach(first, second);
        await replay(driver, record);
      });
      await sweep(scene, record);
    },
  },
  {
    id: "restart/replay-twice",
    rule: "What is on record may be repeated more than once.",
    where: "Capabilities.replay",
    needs: [restart],
    async run(scene) {
      const { first, second, record } = await serving(scene);
      await restarted(scene, record);
      await replay(scene.driver, record);
      if (scene.hasLinks) await mustReach(first, second);
    },
  },
  {
    id: "restart/same-answer",
    rule: "An endpoint that is repeated as it is on record keeps what it had.",
    where: "NetworkDriver.createEndpoint",
    needs: [restart, repeated],
    async run(scene) {
      const { first, record } = await serving(scene);
      await restarted(scene, record);
      const request = { ...first.ref, interface: first.interface, options: noOptions };
      const again = { ...first.interface, ...(await scene.driver.createEndpoint(request)) };
      must(show(again) === show(first.interface), show(first.interface), () => show(again));
    },
  },
  {
    id: "restart/newcomer",
    rule: "Endpoints that join after a crash reach those that were there.",
    where: "NetworkDriver.join",
    needs: [links, restart],
    async run(scene) {
      const { network, first, record } = await serving(scene);
      await restarted(scene, record);
      await mustReach(await scene.connected(network), first);
    },
  },
  {
    id: "restart/delete",
    rule: "What was made before a crash can be deleted after it.",
    where: "NetworkDriver.deleteNetwork",
    needs: [restart],
    async run(scene) {
      const { network, first, second, record } = await serving(scene);
      await restarted(scene, record);
      for (const member of [first, second]) await scene.disconnected(member);
      await scene.driver.deleteNetwork({ networkId: network.networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "restart/joins-again",
    rule: "An endpoint whose link did not outlive the crash joins again.",
    where: "NetworkDriver.join",
    needs: [restart],
    async run(scene) {
      const { network, first, second, record } = await serving(scene);
      await second.sandbox.remove();
      scene.forget(second);
      await restarted(scene, { ...record, members: [first] });
      // who is not told what is on record is told what ended
      if (!scene.driver.capabilities.replay) {
        await scene.driver.leave(second.ref);
        await scene.driver.deleteEndpoint({ ...second.ref, sandboxIsGone: true });
      }
      const request = { ...second.request, interface: second.interface };
      const again = await patiently(() => connectedOrNot(scene, { network, request }));
      if (scene.hasLinks) await mustReach(first, again);
    },
  },
  {
    id: "restart/rejoin",
    rule: "rejoin succeeds for an endpoint that is as it should be, as often as it is called, and changes nothing.",
    where: "NetworkDriver.rejoin",
    needs: [member("rejoin"), restart],
    async run(scene) {
      const { first, record } = await serving(scene);
      await restarted(scene, record);
      const before = await scene.stage.remains();
      const request = scene.joinRequest(first.ref, first.sandbox);
      for (let round = 0; round < 2; round++) await scene.driver.rejoin?.(request);
      await scene.mustBeClean("the host as it was before", before);
    },
  },
  {
    id: "restart/without-rejoin",
    rule: "Deleting works for endpoints that were repeated and have not rejoined.",
    where: "NetworkDriver.deleteEndpoint",
    needs: [restart],
    async run(scene) {
      const { network, first, second, record } = await serving(scene);
      await restarted(scene, record, { rejoins: false });
      for (const member of [first, second]) await scene.disconnected(member);
      await scene.driver.deleteNetwork({ networkId: network.networkId });
      await scene.mustBeClean();
    },
  },
  {
    id: "restart/cluster",
    rule: "A driver enters a cluster as often as it is told, and ends its stay for good or for now.",
    where: "NetworkDriver.enterCluster",
    needs: [member("enterCluster"), inCluster],
    async run(scene) {
      const enter = scene.method("enterCluster");
      const { cluster } = scene.stage;
      must(cluster !== undefined, "a host in a cluster", "another one");
      const entered = await enter(cluster);
      must((await enter(cluster)) === entered, "the same answer until it has ended", "another one");
      const stay = scene.watched(entered);
      must(Array.isArray(stay.paths()), "a list of paths", () => show(stay.paths()));
      await stay.tryPaths();
      stay.follow(() => undefined)();
      await stay.end({ leaves: false });
      await scene.watched(await enter(cluster)).end({ leaves: true });
    },
  },
];

/** Connects; what fails is as if it had not been tried. */
async function connectedOrNot(
  scene: Scene,
  {
    network,
    request,
  }: {
    readonly network: CreateNetworkRequest;
    readonly request: Member["request"];
  },
): Promise<Member> {
  const sandbox = await scene.sandbox();
  try {
    return await scene.connected(network, { request, sandbox });
  } catch (error) {
    const ref = { networkId: request.networkId, endpointId: request.endpointId };
    await scene.driver.leave(ref);
    await sandbox.remove();
    await scene.driver.deleteEndpoint({ ...ref, sandboxIsGone: true });
    throw error;
  }
}

/** The kernel takes away what was in a sandbox some time after it: until then a MAC may be in use still. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= 20 || !/in use/.test(errorMessage(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
