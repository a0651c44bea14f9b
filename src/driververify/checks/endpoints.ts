// Endpoints before they join: what may be filled in, order, repetition.

import { type Mac, macBytes, parseMac, samePrefix } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { givenAddresses, ipv4, ipv6, links, member, type NetworkFacts, ownMacs } from "../network-needs.ts";
import type { Scene } from "../scene.ts";
import { show } from "../show.ts";
import { refusal } from "./refusal.ts";

const userMac = parseMac("02:42:ac:11:00:99") as Mac;

/** A MAC that a network card could have: six bytes, not all zero, for one station alone. */
function isStation(mac: string): boolean {
  const parsed = parseMac(mac);
  if (!parsed || parsed !== mac) return false;
  const bytes = macBytes(parsed);
  return ((bytes[0] ?? 1) & 1) === 0 && bytes.some((byte) => byte !== 0);
}

export const endpointChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "endpoints/keep-address",
    rule: "An IPv4 address that the request has stays: only what was empty is filled in.",
    where: "NetworkDriver.createEndpoint",
    needs: [ipv4, givenAddresses],
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { address } = await scene.driver.createEndpoint(request);
      const asked = request.interface.address;
      must(address === undefined || samePrefix(address, asked), show(asked), () => show(address));
    },
  },
  {
    id: "endpoints/keep-ipv6-address",
    rule: "An IPv6 address that the request has stays: only what was empty is filled in.",
    where: "NetworkDriver.createEndpoint",
    needs: [ipv6, givenAddresses],
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { addressIpv6 } = await scene.driver.createEndpoint(request);
      const asked = request.interface.addressIpv6;
      must(addressIpv6 === undefined || samePrefix(addressIpv6, asked), show(asked), () => show(addressIpv6));
    },
  },
  {
    id: "endpoints/keep-mac",
    rule: "A MAC that the request has stays: only what was empty is filled in.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      const plain = scene.endpoint(network);
      const request = { ...plain, interface: { ...plain.interface, macAddress: userMac } };
      const answer = await scene.driver.createEndpoint(request).catch((error: unknown) => {
        // links without MACs of their own (ipvlan) refuse one by name
        must(/mac/i.test(String(error)), "the MAC taken, or refused by name", String(error));
        return undefined;
      });
      const { macAddress } = answer ?? {};
      must(macAddress === undefined || macAddress === userMac, userMac, () => show(macAddress));
    },
  },
  {
    id: "endpoints/families",
    rule: "What is filled in is of the right family.",
    where: "EndpointInterface",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { address, addressIpv6 } = await scene.driver.createEndpoint(request);
      must((address?.address.family ?? 4) === 4, "an IPv4 address", () => show(address));
      must((addressIpv6?.address.family ?? 6) === 6, "an IPv6 address", () => show(addressIpv6));
    },
  },
  {
    id: "endpoints/mac-form",
    rule: "A MAC is six bytes in lower-case hex, of one station, and not zero.",
    where: "EndpointInterface.macAddress",
    needs: [ownMacs],
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { macAddress } = await scene.driver.createEndpoint(request);
      must(macAddress !== undefined, "a MAC", "none");
      must(isStation(macAddress), "a unicast MAC like 02:42:ac:11:00:02", show(macAddress));
    },
  },
  {
    id: "endpoints/macs-differ",
    rule: "No two endpoints of a network are given one MAC.",
    where: "NetworkDriver.createEndpoint",
    needs: [ownMacs],
    async run(scene) {
      const network = await scene.madeNetwork();
      const macs: (string | undefined)[] = [];
      for (let count = 0; count < 4; count++)
        macs.push((await scene.driver.createEndpoint(scene.endpoint(network))).macAddress);
      const chosen = macs.filter((mac) => mac !== undefined);
      must(new Set(chosen).size === chosen.length, "four different ones", () => show(chosen));
    },
  },
  {
    id: "endpoints/create-twice",
    rule: "Making an endpoint that is there succeeds, with the same answer.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const first = show(await scene.driver.createEndpoint(request));
      const second = show(await scene.driver.createEndpoint(request));
      must(first === second, first, second);
    },
  },
  {
    id: "endpoints/create-twice-makes-once",
    rule: "Making an endpoint that is there makes nothing more.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const request = await scene.madeEndpoint(await scene.madeNetwork());
      const once = await scene.stage.remains();
      await scene.driver.createEndpoint(request);
      await scene.mustBeClean("what one endpoint needs", once);
    },
  },
  {
    id: "endpoints/delete",
    rule: "Deleting an endpoint that has not joined leaves nothing of it.",
    where: "NetworkDriver.deleteEndpoint",
    run: (scene) =>
      scene.mustLeaveNetwork(
        async (network) => await scene.driver.deleteEndpoint(await refOf(scene, network)),
      ),
  },
  {
    id: "endpoints/delete-twice",
    rule: "Deleting an endpoint that is gone succeeds.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const ref = await refOf(scene, await scene.madeNetwork());
      for (let round = 0; round < 2; round++) await scene.driver.deleteEndpoint(ref);
    },
  },
  {
    id: "endpoints/delete-unknown",
    rule: "Deleting an endpoint that never was succeeds, of a known network and of an unknown one.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const { networkId, endpointId } = scene.endpoint(await scene.madeNetwork());
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      await scene.driver.deleteEndpoint({ networkId: scene.network().networkId, endpointId });
    },
  },
  {
    id: "endpoints/again",
    rule: "An endpoint can be made again as soon as it is deleted.",
    where: "NetworkDriver.createEndpoint",
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { networkId, endpointId } = request;
      for (let round = 0; round < 3; round++) {
        await scene.driver.createEndpoint(request);
        await scene.driver.deleteEndpoint({ networkId, endpointId });
      }
    },
  },
  {
    id: "endpoints/address-again",
    rule: "The address of an endpoint that was deleted is free for another.",
    where: "NetworkDriver.deleteEndpoint",
    needs: [givenAddresses],
    async run(scene) {
      const network = await scene.madeNetwork();
      const first = await scene.connected(network);
      await scene.disconnected(first);
      const request = scene.endpoint(network, first.request.interface);
      await scene.connected(network, { request });
    },
  },
  {
    id: "endpoints/unknown-network",
    rule: "An endpoint of a network that is not there is refused.",
    where: "NetworkDriver.createEndpoint",
    needs: [links],
    async run(scene) {
      const request = scene.endpoint(scene.network());
      await refusal("an endpoint of an unknown network", () => scene.driver.createEndpoint(request));
      await scene.mustBeClean();
    },
  },
  {
    id: "endpoints/deleted-network",
    rule: "An endpoint of a network that was deleted is refused.",
    where: "NetworkDriver.createEndpoint",
    needs: [links],
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.deleteNetwork({ networkId: network.networkId });
      const request = scene.endpoint(network);
      await refusal("an endpoint of a deleted network", () => scene.driver.createEndpoint(request));
      await scene.mustBeClean();
    },
  },
  {
    id: "endpoints/one-family",
    rule: "An endpoint may have an address of one family only, whatever the network has.",
    where: "EndpointInterface",
    needs: [givenAddresses],
    async run(scene) {
      const network = await scene.madeNetwork();
      const { address, addressIpv6 } = scene.endpoint(network).interface;
      for (const own of [address && { address }, addressIpv6 && { addressIpv6 }])
        if (own) await scene.connected(network, { request: scene.endpoint(network, own) });
    },
  },
  {
    id: "endpoints/options",
    rule: "Ports and name servers of an endpoint are no reason to refuse it.",
    where: "EndpointOptions",
    async run(scene) {
      const plain = scene.endpoint(await scene.madeNetwork());
      const dnsServer = plain.interface.address?.address ?? plain.interface.addressIpv6?.address;
      await scene.driver.createEndpoint({
        ...plain,
        options: {
          exposedPorts: [
            { protocol: "tcp", port: 80 },
            { protocol: "udp", port: 5000, count: 10 },
          ],
          portBindings: [{ protocol: "tcp", containerPort: 80 }],
          dnsServers: dnsServer ? [dnsServer] : [],
          driverOpts: {},
        },
      });
    },
  },
  {
    id: "endpoints/check",
    rule: "checkEndpoint accepts an endpoint without options, and looks at nothing else.",
    where: "NetworkDriver.checkEndpoint",
    needs: [member("checkEndpoint")],
    async run(scene) {
      const check = scene.method("checkEndpoint");
      check({ driverOpts: {} });
      await scene.mustBeClean();
    },
  },
  {
    id: "endpoints/separate",
    rule: "Deleting one endpoint leaves the network's others as they are.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.connected(network);
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      await scene.disconnected(await scene.connected(network));
      await scene.mustBeClean("the other endpoint as it was", before);
    },
  },
];

async function refOf(scene: Scene, network: Awaited<ReturnType<Scene["madeNetwork"]>>) {
  const { networkId, endpointId } = await scene.madeEndpoint(network);
  return { networkId, endpointId };
}
