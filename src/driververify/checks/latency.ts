// A host that is slow: what is done at once then comes in another order.

import type { CreateNetworkRequest } from "../../driverapi/index.ts";
import type { Check } from "../check.ts";
import { manyNetworks, type NetworkFacts, weather } from "../network-needs.ts";
import type { Member, Scene } from "../scene.ts";
import { mustReach } from "./reach.ts";

type LatencyCheck = Check<Scene, NetworkFacts>;

/** A rule about what is done at once on a host that is slow. */
function slowly(
  facts: Omit<LatencyCheck, "run">,
  work: (scene: Scene, network: CreateNetworkRequest) => Promise<unknown>,
): LatencyCheck {
  const run = (scene: Scene) =>
    scene.mustLeaveNetwork(async (network) => {
      scene.weather.delay(scene.random, 8);
      await work(scene, network);
      await scene.driver.settle?.();
      scene.weather.calm();
    });
  return { ...facts, needs: [weather, ...(facts.needs ?? [])], run };
}

const times = <T>(count: number, make: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, make));

export const latencyChecks: readonly LatencyCheck[] = [
  slowly(
    {
      id: "latency/networks",
      rule: "On a slow host networks that are made and deleted at once leave nothing.",
      where: "NetworkDriver.createNetwork",
      needs: [manyNetworks],
    },
    (scene) =>
      times(4, async () => {
        const { networkId } = await scene.madeNetwork();
        await scene.driver.deleteNetwork({ networkId });
      }),
  ),
  {
    id: "latency/endpoints",
    rule: "On a slow host endpoints that join at once reach each other.",
    where: "NetworkDriver.join",
    needs: [weather],
    async run(scene) {
      const network = await scene.madeNetwork();
      scene.weather.delay(scene.random, 8);
      const [first, second]: Member[] = await times(4, () => scene.connected(network));
      scene.weather.calm();
      if (scene.hasLinks && first && second) await mustReach(first, second);
    },
  },
  slowly(
    {
      id: "latency/same-endpoint",
      rule: "On a slow host an endpoint that is made several times at once is one endpoint.",
      where: "NetworkDriver.createEndpoint",
    },
    async (scene, network) => {
      const request = scene.endpoint(network);
      await times(3, () => scene.driver.createEndpoint(request));
      const { networkId, endpointId } = request;
      await scene.driver.deleteEndpoint({ networkId, endpointId });
    },
  ),
  slowly(
    {
      id: "latency/come-and-go",
      rule: "On a slow host endpoints that come while others go leave nothing.",
      where: "NetworkDriver.deleteEndpoint",
    },
    (scene, network) => times(4, async () => scene.disconnected(await scene.connected(network))),
  ),
];
