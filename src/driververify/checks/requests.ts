// Requests are the driver's to read and nobody's to change.

import { type Check, must } from "../check.ts";
import { noOptions, type Scene } from "../scene.ts";
import { show } from "../show.ts";
import { tcp, wish } from "./publish.ts";

const hint = "copy what you want to change; the request may be repeated, and is others' too";

/** Calls with a copy that can be changed, past the watch, and looks at it afterwards. */
async function mustStay<T extends object>(request: T, call: (copy: T) => unknown): Promise<void> {
  const copy = structuredClone(request);
  await Promise.resolve(call(copy)).catch(() => undefined);
  must(show(copy) === show(request), show(request), () => show(copy), hint);
}

export const requestChecks: readonly Check<Scene>[] = [
  {
    id: "requests/create-network",
    rule: "createNetwork does not change its request.",
    where: "CreateNetworkRequest",
    run: (scene) => mustStay(scene.network(), (copy) => scene.stage.driver.createNetwork(copy)),
  },
  {
    id: "requests/delete-network",
    rule: "deleteNetwork does not change its request.",
    where: "NetworkDriver.deleteNetwork",
    async run(scene) {
      const { networkId } = await scene.madeNetwork();
      await mustStay({ networkId }, (copy) => scene.stage.driver.deleteNetwork(copy));
    },
  },
  {
    id: "requests/create-endpoint",
    rule: "createEndpoint does not change its request.",
    where: "CreateEndpointRequest",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      await mustStay(request, (copy) => scene.stage.driver.createEndpoint(copy));
    },
  },
  {
    id: "requests/delete-endpoint",
    rule: "deleteEndpoint does not change its request.",
    where: "DeleteEndpointRequest",
    async run(scene) {
      const { networkId, endpointId } = await scene.madeEndpoint(await scene.madeNetwork());
      await mustStay({ networkId, endpointId }, (copy) => scene.stage.driver.deleteEndpoint(copy));
    },
  },
  {
    id: "requests/join",
    rule: "join does not change its request.",
    where: "JoinRequest",
    async run(scene) {
      const endpoint = await scene.madeEndpoint(await scene.madeNetwork());
      const request = scene.joinRequest(endpoint, await scene.sandbox());
      await mustStay(request, (copy) => scene.stage.driver.join(copy));
    },
  },
  {
    id: "requests/leave",
    rule: "leave does not change its request.",
    where: "EndpointRef",
    async run(scene) {
      const { ref } = await scene.connected(await scene.madeNetwork());
      await mustStay({ ...ref }, (copy) => scene.stage.driver.leave(copy));
    },
  },
  {
    id: "requests/publish",
    rule: "programExternalConnectivity does not change its request.",
    where: "ExternalConnectivityRequest",
    async run(scene) {
      scene.need("programExternalConnectivity");
      const { ref } = await scene.connected(await scene.madeNetwork());
      const { driver } = scene.stage;
      await mustStay(wish(ref, [tcp(80)]), (copy) => driver.programExternalConnectivity?.(copy));
      await driver.revokeExternalConnectivity?.(ref);
    },
  },
  {
    id: "requests/check-gateway",
    rule: "checkGateway does not change the options that it is asked about.",
    where: "NetworkDriver.checkGateway",
    async run(scene) {
      scene.need("checkGateway");
      await mustStay(scene.network().options, (copy) => scene.stage.driver.checkGateway?.(copy));
    },
  },
  {
    id: "requests/are-not-kept",
    rule: "A request is the caller's again when the call is answered: what he does with it then changes nothing.",
    where: "CreateEndpointRequest",
    async run(scene) {
      const network = await scene.madeNetwork();
      const plain = scene.endpoint(network);
      const copy = { ...plain, interface: { ...plain.interface }, options: noOptions };
      const first = show(await scene.stage.driver.createEndpoint(copy));
      for (const key of Object.keys(copy.interface)) Reflect.deleteProperty(copy.interface, key);
      const second = show(await scene.driver.createEndpoint(plain));
      must(first === second, first, second, hint);
    },
  },
];
