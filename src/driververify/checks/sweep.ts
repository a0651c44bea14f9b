// What nobody has on record when a daemon starts again, and what a crash in the middle of a call has left.

import type { Check } from "../check.ts";
import { manyNetworks, member, type NetworkFacts, restart, weather } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { mustReach } from "./reach.ts";
import { restarted, serving, sweep } from "./restarting.ts";

export const sweepChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "restart/sweep-network",
    rule: "sweep removes a network that is on nobody's record.",
    where: "NetworkDriver.sweep",
    needs: [manyNetworks, member("sweep"), restart],
    async run(scene) {
      await scene.madeNetwork();
      await restarted(scene, { networks: [], members: [] });
      await scene.mustBeClean();
    },
  },
  {
    id: "restart/sweep-endpoint",
    rule: "sweep removes an endpoint that is on nobody's record.",
    where: "NetworkDriver.sweep",
    needs: [member("sweep"), restart],
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      await member.sandbox.remove();
      scene.forget(member);
      await restarted(scene, { networks: [network], members: [] });
      await scene.mustBeClean("the network without the endpoint", before);
    },
  },
  {
    id: "restart/sweep-spares",
    rule: "sweep leaves alone what is on record.",
    where: "NetworkDriver.sweep",
    needs: [member("sweep"), restart],
    async run(scene) {
      const { first, second, record } = await serving(scene);
      await restarted(scene, record);
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      for (let round = 0; round < 2; round++) await sweep(scene, record);
      await scene.mustBeClean("everything on record as it was", before);
      if (scene.hasLinks) await mustReach(first, second);
    },
  },
  {
    id: "restart/sweep-strangers",
    rule: "sweep leaves alone what does not carry the driver's mark.",
    where: "NetworkDriver.sweep",
    needs: [member("sweep")],
    async run(scene) {
      const swept = scene.method("sweep");
      await swept({ networkIds: new Set(), endpointIds: new Set() });
      await scene.mustBeClean();
    },
  },
  {
    id: "restart/crash-in-create",
    rule: "What a crash in the middle of making a network left is swept.",
    where: "NetworkDriver.sweep",
    needs: [manyNetworks, restart, member("sweep"), weather],
    hint: "mark what you make in the same message that makes it, or sweep what has your form of name",
    async run(scene) {
      for (let step = 1; step <= 4; step++) {
        scene.weather.stopAt(step);
        const { stage } = scene;
        const ended = stage.driver.createNetwork(scene.network()).catch(() => undefined);
        await Promise.race([ended, quiet(scene)]);
        await scene.restart();
        await sweep(scene, { networks: [], members: [] });
        await scene.mustBeClean(`nothing left of a network whose making ended at step ${step}`);
      }
    },
  },
  {
    id: "restart/crash-in-join",
    rule: "What a crash in the middle of a join left is swept.",
    where: "NetworkDriver.sweep",
    needs: [restart, member("sweep"), weather],
    hint: "mark what you make in the same message that makes it, or sweep what has your form of name",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      for (let step = 1; step <= 3; step++) {
        const request = scene.endpoint(network);
        const sandbox = await scene.sandbox();
        scene.weather.stopAt(step);
        const { driver } = scene.stage;
        const ended = driver
          .createEndpoint(request)
          .then(() => driver.join(scene.joinRequest(request, sandbox)))
          .catch(() => undefined);
        await Promise.race([ended, quiet(scene)]);
        await sandbox.remove();
        await restarted(scene, { networks: [network], members: [] });
        await scene.mustBeClean(`nothing left of an endpoint whose joining ended at step ${step}`, before);
      }
    },
  },
];

/** Resolves when the driver has come to its last step: nothing more is asked of the host for a while. */
async function quiet(scene: Scene): Promise<void> {
  const { weather } = scene;
  const deadline = Date.now() + 5_000;
  for (let still = 0, last = -1; still < 10 && Date.now() < deadline; ) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    still = weather.steps === last && !weather.isBusy ? still + 1 : 0;
    last = weather.steps;
  }
}
