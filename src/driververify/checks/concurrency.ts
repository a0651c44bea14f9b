// Many calls at once, about different things and about the same.

import type { CreateEndpointRequest } from "../../driverapi/index.ts";
import { type Check, must } from "../check.ts";
import { manyNetworks, type NetworkFacts } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";
import { mustReach } from "./reach.ts";

const many = 6;
const hint =
  "calls about one network or endpoint may meet: let the later one wait for what the earlier one makes";
const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));

/** What several made at once must be: as if one after the other. */
export const concurrencyChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "concurrency/networks",
    rule: "Networks can be made at once, and deleted at once.",
    where: "NetworkDriver.createNetwork",
    needs: [manyNetworks],
    hint,
    async run(scene) {
      const networks = await Promise.all(times(many, () => scene.madeNetwork()));
      await Promise.all(networks.map(({ networkId }) => scene.driver.deleteNetwork({ networkId })));
      await scene.mustBeClean();
    },
  },
  {
    id: "concurrency/same-network",
    rule: "One network that is made several times at once is made once.",
    where: "NetworkDriver.createNetwork",
    hint,
    async run(scene) {
      const request = await scene.madeNetwork();
      const once = await scene.stage.remains();
      await scene.driver.deleteNetwork({ networkId: request.networkId });
      await scene.mustBeClean();
      await Promise.all(times(4, () => scene.driver.createNetwork(request)));
      const count = (remains: typeof once) => remains.links.length;
      const now = await scene.stage.remains();
      must(count(now) === count(once), show(once.links), () => show(now.links));
    },
  },
  {
    id: "concurrency/delete-same-network",
    rule: "One network can be deleted several times at once.",
    where: "NetworkDriver.deleteNetwork",
    hint,
    async run(scene) {
      const { networkId } = await scene.madeNetwork();
      await Promise.all(times(4, () => scene.driver.deleteNetwork({ networkId })));
      await scene.mustBeClean();
    },
  },
  {
    id: "concurrency/endpoints",
    rule: "Endpoints of a network can be made and join at once.",
    where: "NetworkDriver.join",
    hint,
    async run(scene) {
      const network = await scene.madeNetwork();
      const members = await Promise.all(times(many, () => scene.connected(network)));
      const [first, last] = [members[0], members.at(-1)];
      if (scene.hasLinks && first && last) await mustReach(first, last);
    },
  },
  {
    id: "concurrency/same-endpoint",
    rule: "One endpoint that is made several times at once gets one answer.",
    where: "NetworkDriver.createEndpoint",
    hint,
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const answers = await Promise.all(times(4, () => scene.driver.createEndpoint(request)));
      const texts = new Set(answers.map(show));
      must(texts.size === 1, "the same answer each time", () => [...texts].join(" and "));
    },
  },
  {
    id: "concurrency/delete-same-endpoint",
    rule: "One endpoint can be deleted several times at once.",
    where: "NetworkDriver.deleteEndpoint",
    hint,
    async run(scene) {
      const { networkId, endpointId } = await scene.madeEndpoint(await scene.madeNetwork());
      await Promise.all(times(4, () => scene.driver.deleteEndpoint({ networkId, endpointId })));
    },
  },
  {
    id: "concurrency/leave",
    rule: "Endpoints of a network can leave and be deleted at once.",
    where: "NetworkDriver.leave",
    hint,
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const members = [];
      for (let count = 0; count < many; count++) members.push(await scene.connected(network));
      await Promise.all(members.map((member) => scene.disconnected(member)));
      await scene.mustBeClean("the network without endpoints", before);
    },
  },
  {
    id: "concurrency/come-and-go",
    rule: "Endpoints come while others go.",
    where: "NetworkDriver.deleteEndpoint",
    hint,
    async run(scene) {
      const network = await scene.madeNetwork();
      const stay = await scene.connected(network);
      const leaving = await Promise.all(times(3, () => scene.connected(network)));
      const [coming] = await Promise.all([
        Promise.all(times(3, () => scene.connected(network))),
        ...leaving.map((member) => scene.disconnected(member)),
      ]);
      const [first] = coming;
      if (scene.hasLinks && first) await mustReach(stay, first);
    },
  },
  {
    id: "concurrency/networks-and-endpoints",
    rule: "Networks come and go while endpoints of another one do.",
    where: "NetworkDriver.createNetwork",
    needs: [manyNetworks],
    hint,
    async run(scene) {
      const network = await scene.madeNetwork();
      await Promise.all([
        ...times(3, async () => scene.disconnected(await scene.connected(network))),
        ...times(3, async () => {
          const { networkId } = await scene.madeNetwork();
          await scene.driver.deleteNetwork({ networkId });
        }),
      ]);
    },
  },
  {
    id: "concurrency/macs",
    rule: "Endpoints that are made at once get different MACs.",
    where: "EndpointInterface.macAddress",
    hint,
    async run(scene) {
      const network = await scene.madeNetwork();
      const requests: CreateEndpointRequest[] = times(many, () => scene.endpoint(network));
      const answers = await Promise.all(requests.map((request) => scene.driver.createEndpoint(request)));
      const macs = answers.map(({ macAddress }) => macAddress).filter((mac) => mac !== undefined);
      must(new Set(macs).size === macs.length, "different ones", () => show(macs));
    },
  },
];
