// Requests are the driver's to read and nobody's to change.

import { type Check, must } from "../check.ts";
import { member, type NetworkFacts } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";
import { portWish, tcp } from "./publish.ts";

const hint = "copy what you want to change; the request may be repeated, and is others' too";

/** Calls with a copy that can be changed, past the watch, and looks at it afterwards. */
async function mustStay<T extends object>(request: T, call: (copy: T) => unknown): Promise<void> {
  const copy = structuredClone(request);
  await Promise.resolve(call(copy)).catch(() => undefined);
  must(show(copy) === show(request), show(request), () => show(copy), hint);
}

export const requestChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "requests/create-network",
    rule: "createNetwork does not change its request.",
    where: "CreateNetworkRequest",
    run: (scene) => mustStay(scene.network(), (copy) => scene.looseDriver.createNetwork(copy)),
  },
  {
    id: "requests/delete-network",
    rule: "deleteNetwork does not change its request.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const { networkId } = await scene.madeNetwork();
      await mustStay({ networkId }, (copy) => scene.looseDriver.deleteNetwork(copy));
    },
  },
  {
    id: "requests/create-endpoint",
    rule: "createEndpoint does not change its request.",
    where: "CreateEndpointRequest",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      await mustStay(request, (copy) => scene.looseDriver.createEndpoint(copy));
    },
  },
  {
    id: "requests/delete-endpoint",
    rule: "deleteEndpoint does not change its request.",
    where: "DeleteEndpointRequest",
    async run(scene) {
      const { networkId, endpointId } = await scene.madeEndpoint(await scene.madeNetwork());
      await mustStay({ networkId, endpointId }, (copy) => scene.looseDriver.deleteEndpoint(copy));
    },
  },
  {
    id: "requests/join",
    rule: "join does not change its request.",
    where: "JoinRequest",
    async run(scene) {
      const endpoint = await scene.madeEndpoint(await scene.madeNetwork());
      const request = scene.joinRequest(endpoint, await scene.sandbox());
      await mustStay(request, (copy) => scene.looseDriver.join(copy));
    },
  },
  {
    id: "requests/leave",
    rule: "leave does not change its request.",
    where: "EndpointRef",
    async run(scene) {
      const { ref } = await scene.connected(await scene.madeNetwork());
      await mustStay({ ...ref }, (copy) => scene.looseDriver.leave(copy));
    },
  },
  {
    id: "requests/publish",
    rule: "programExternalConnectivity does not change its request.",
    where: "ExternalConnectivityRequest",
    needs: [member("programExternalConnectivity")],
    async run(scene) {
      const { ref } = await scene.connected(await scene.madeNetwork());
      const driver = scene.looseDriver;
      await mustStay(portWish(ref, [tcp(80)]), (copy) => driver.programExternalConnectivity?.(copy));
      await driver.revokeExternalConnectivity?.(ref);
    },
  },
  {
    id: "requests/check-gateway",
    rule: "checkGateway does not change the options that it is asked about.",
    where: "NetworkDriver.checkGateway",
    needs: [member("checkGateway")],
    async run(scene) {
      await mustStay(scene.network().options, (copy) => scene.looseDriver.checkGateway?.(copy));
    },
  },
  {
    id: "requests/answers-are-given",
    rule: "An answer is the caller's: what he does with it changes nothing.",
    where: "NetworkDriver",
    hint: "answer with a copy of what you keep",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const answer = await scene.driver.createEndpoint(request);
      const first = show(answer);
      for (const key of Object.keys(answer)) Reflect.deleteProperty(answer, key);
      const second = show(await scene.driver.createEndpoint(request));
      must(first === second, first, second);
    },
  },
];
