// After a whole life, each kind of thing that a driver may have made is looked at.

import type { Check } from "../check.ts";
import { must } from "../check.ts";
import type { NetworkFacts } from "../network-needs.ts";
import { differences } from "../remains.ts";
import type { Scene } from "../scene.ts";
import type { RemainKind } from "../stage.ts";
import { portWish, tcp } from "./publish.ts";

const rules: Readonly<Record<RemainKind, string>> = {
  links: "No link is left when all networks and endpoints are deleted.",
  addresses: "No address is left on the host's links, and none of them is gone.",
  routes: "No route is left on the host, and none of its own is gone.",
  rules: "No rule of the firewall is left.",
  namespaces: "No namespace of the driver's own is left.",
  records: "No record is left in the driver's collection.",
  ports: "No host port is left reserved.",
  forwards: "Nothing is left with the forwarder.",
};

/** Two networks, some endpoints, a published port; then all of it goes. */
async function wholeLife(scene: Scene): Promise<void> {
  const count = scene.driver.capabilities.predefinedOnly ? 1 : 2;
  for (let round = 0; round < count; round++) {
    const network = await scene.madeNetwork({ internal: round === 1 && !scene.traits.neverInternal });
    const members = [await scene.connected(network), await scene.connected(network)];
    const [first] = members;
    if (first && round === 0) {
      await scene.driver.programExternalConnectivity?.(portWish(first.ref, [tcp(80, 18078)]));
      await scene.driver.revokeExternalConnectivity?.(first.ref);
    }
    for (const member of members) await scene.disconnected(member);
    await scene.driver.deleteNetwork({ networkId: network.networkId });
  }
}

export const leakChecks: readonly Check<Scene, NetworkFacts>[] = Object.entries(rules).map(
  ([kind, rule]) => ({
    id: `leaks/${kind}`,
    rule,
    where: "NetworkDriver.deleteNetwork",
    hint: "what createNetwork, createEndpoint and join make, deleteNetwork and deleteEndpoint remove",
    async run(scene) {
      const after = await scene.once("a whole life", async () => {
        await wholeLife(scene);
        await scene.difference();
        return await scene.stage.remains();
      });
      const found = differences(scene.before, { ...scene.before, [kind]: after[kind as RemainKind] });
      must(found.length === 0, "none", () => found.join("; "));
    },
  }),
);
