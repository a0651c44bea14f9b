// Endpoints in sandboxes: what an answer to a join may say, order, repetition.

import {
  type Address,
  hasHostBits,
  isLinkLocal,
  isLinkName,
  prefixContains,
  sameAddress,
} from "../../netip/index.ts";
import { type Check, must, onlyIf } from "../check.ts";
import type { Member, Scene } from "../scene.ts";
import { show } from "../show.ts";
import { refusal } from "./refusal.ts";

/** An endpoint that has joined and whose link nobody has taken yet. */
async function joined(scene: Scene, wish: Parameters<Scene["madeNetwork"]>[0] = {}) {
  const network = await scene.madeNetwork(wish);
  const request = await scene.madeEndpoint(network);
  const sandbox = await scene.sandbox();
  const response = await scene.driver.join(scene.joinRequest(request, sandbox));
  return { network, request, sandbox, response };
}

function mustBeGateway(
  gateway: Address | undefined,
  family: 4 | 6,
  { network, response }: Awaited<ReturnType<typeof joined>>,
): void {
  if (!gateway) return;
  must(gateway.family === family, `an IPv${family} address`, () => show(gateway));
  const pools = family === 4 ? network.ipv4Data : network.ipv6Data;
  const isNear =
    pools.some(({ pool }) => prefixContains(pool, gateway)) ||
    isLinkLocal(gateway) ||
    response.staticRoutes.some(
      ({ destination, nextHop }) =>
        !nextHop && destination.length > 0 && prefixContains(destination, gateway),
    );
  must(isNear, "an address of a subnet of the network, or one that a static route leads to", () =>
    show(gateway),
  );
}

export const joinChecks: readonly Check<Scene>[] = [
  {
    id: "join/link-name",
    rule: "The name of a link has 1 to 15 characters, none of them a space, / or :.",
    where: "JoinResponse.link",
    async run(scene) {
      const { response } = await joined(scene);
      onlyIf(response.link !== undefined, "the driver gives the sandbox no link");
      must(isLinkName(response.link.srcName), "such a name", () => show(response.link?.srcName));
    },
  },
  {
    id: "join/link-prefix",
    rule: "The beginning of a link's final name leaves room for a number.",
    where: "JoinResponse.link",
    async run(scene) {
      const { response } = await joined(scene);
      onlyIf(response.link !== undefined, "the driver gives the sandbox no link");
      const { dstPrefix, dstName } = response.link;
      must(
        dstName !== undefined || isLinkName(`${dstPrefix}999`),
        "up to 12 characters, like eth",
        show(dstPrefix),
      );
    },
  },
  {
    id: "join/link-final-name",
    rule: "A final name is one that a link can have.",
    where: "JoinResponse.link",
    async run(scene) {
      const { response } = await joined(scene);
      const dstName = response.link?.dstName;
      onlyIf(response.link !== undefined, "the driver gives the sandbox no link");
      must(dstName === undefined || isLinkName(dstName), "such a name", show(dstName));
    },
  },
  {
    id: "join/link-is-there",
    rule: "The link is where the answer says: in the host's namespace, or in the sandbox under its index.",
    where: "JoinResponse.link",
    async run(scene) {
      scene.needLinks();
      const { response, sandbox } = await joined(scene);
      const { srcName = "", indexInSandbox } = response.link ?? {};
      const inSandbox = await sandbox.links();
      if (indexInSandbox === undefined)
        return must((await scene.stage.link(srcName)) !== undefined, `link ${srcName} on the host`, "none");
      const isThere = inSandbox.some(({ index }) => index === indexInSandbox);
      must(isThere, `a link with index ${indexInSandbox} in the sandbox`, () => show(inSandbox));
    },
  },
  {
    id: "join/mac-of-link",
    rule: "A link that is in the sandbox already has the endpoint's MAC.",
    where: "JoinResponse.link",
    async run(scene) {
      const { response, sandbox, request } = await joined(scene);
      const index = response.link?.indexInSandbox;
      onlyIf(index !== undefined, "the controller moves the link and gives it the MAC");
      const { macAddress } = await scene.driver.createEndpoint(request);
      const link = (await sandbox.links()).find((each) => each.index === index);
      must(macAddress === undefined || link?.mac === macAddress, show(macAddress), () => show(link?.mac));
    },
  },
  {
    id: "join/user-mac",
    rule: "The link gets the MAC that the user asked for.",
    where: "EndpointInterface.macAddress",
    async run(scene) {
      scene.needLinks();
      const network = await scene.madeNetwork();
      const plain = scene.endpoint(network);
      const macAddress = "02:42:c6:12:00:77" as NonNullable<Member["interface"]["macAddress"]>;
      const request = { ...plain, interface: { ...plain.interface, macAddress } };
      const member = await scene.connected(network, { request }).catch((error: unknown) => {
        must(/mac/i.test(String(error)), "the MAC taken, or refused by name", String(error));
        return undefined;
      });
      if (!member) return;
      const [link] = await member.sandbox.links();
      must(link?.mac === macAddress, macAddress, () => show(link?.mac));
    },
  },
  {
    id: "join/one-link",
    rule: "A sandbox gets one link for an endpoint, and none beside it.",
    where: "NetworkDriver.join",
    async run(scene) {
      scene.needLinks();
      const { sandbox } = await scene.connected(await scene.madeNetwork());
      const links = await sandbox.links();
      must(links.length === 1, "one link", () => show(links));
    },
  },
  {
    id: "join/links-differ",
    rule: "No two endpoints have links of one name on the host.",
    where: "JoinResponse.link",
    async run(scene) {
      scene.needLinks();
      const network = await scene.madeNetwork();
      const names: (string | undefined)[] = [];
      for (let count = 0; count < 3; count++) {
        const request = await scene.madeEndpoint(network);
        const { link } = await scene.driver.join(scene.joinRequest(request, await scene.sandbox()));
        if (link?.indexInSandbox === undefined) names.push(link?.srcName);
      }
      must(new Set(names).size === names.length, "different names", () => show(names));
    },
  },
  {
    id: "join/gateway",
    rule: "A gateway is an IPv4 address, and one that the sandbox can send to.",
    where: "JoinResponse.gateway",
    async run(scene) {
      const answer = await joined(scene);
      mustBeGateway(answer.response.gateway, 4, answer);
    },
  },
  {
    id: "join/ipv6-gateway",
    rule: "An IPv6 gateway is an IPv6 address, and one that the sandbox can send to.",
    where: "JoinResponse.gatewayIpv6",
    async run(scene) {
      const answer = await joined(scene);
      mustBeGateway(answer.response.gatewayIpv6, 6, answer);
    },
  },
  {
    id: "join/gateway-is-another",
    rule: "An endpoint is not its own gateway.",
    where: "JoinResponse.gateway",
    async run(scene) {
      const { response, request } = await joined(scene);
      const { address, addressIpv6 } = request.interface;
      const isOwn = (own?: Address, gateway?: Address) => gateway !== undefined && sameAddress(own, gateway);
      must(
        !isOwn(address?.address, response.gateway) && !isOwn(addressIpv6?.address, response.gatewayIpv6),
        "another address than the endpoint's",
        () => show(response),
      );
    },
  },
  {
    id: "join/no-ipv6-gateway",
    rule: "There is no IPv6 gateway on a network without IPv6.",
    where: "JoinResponse.gatewayIpv6",
    async run(scene) {
      scene.needFamily(4);
      const { response } = await joined(scene, { enableIpv6: false });
      must(response.gatewayIpv6 === undefined, "none", () => show(response.gatewayIpv6));
    },
  },
  {
    id: "join/no-ipv4-gateway",
    rule: "There is no IPv4 gateway on a network without IPv4.",
    where: "JoinResponse.gateway",
    async run(scene) {
      scene.needFamily(6);
      const { response } = await joined(scene, { enableIpv4: false });
      must(response.gateway === undefined, "none", () => show(response.gateway));
    },
  },
  {
    id: "join/routes",
    rule: "Static routes are a list, and their destinations have no host bits.",
    where: "StaticRoute.destination",
    async run(scene) {
      const { staticRoutes } = (await joined(scene)).response;
      must(Array.isArray(staticRoutes), "a list", () => show(staticRoutes));
      const strays = staticRoutes.filter(({ destination }) => hasHostBits(destination));
      must(strays.length === 0, "subnets", () => show(strays));
    },
  },
  {
    id: "join/next-hops",
    rule: "The next hop of a route is of the family of its destination, and a route that only catches packets has none.",
    where: "StaticRoute.nextHop",
    async run(scene) {
      const { staticRoutes } = (await joined(scene)).response;
      const strays = staticRoutes.filter(
        ({ destination, nextHop, type }) =>
          nextHop && (nextHop.family !== destination.address.family || type !== undefined),
      );
      must(strays.length === 0, "such routes", () => show(strays));
    },
  },
  {
    id: "join/flags",
    rule: "What an answer says of gateway service and reach it says with true or false.",
    where: "JoinResponse.disableGatewayService",
    async run(scene) {
      const {
        disableGatewayService,
        isExternal = false,
        isReachedDirectly = false,
      } = (await joined(scene)).response;
      const flags = { disableGatewayService, isExternal, isReachedDirectly };
      must(
        Object.values(flags).every((flag) => typeof flag === "boolean"),
        "true or false",
        () => show(flags),
      );
    },
  },
  {
    id: "join/sysctls",
    rule: "Sysctls of a link are text, and are about the link: IFNAME stands in their keys.",
    where: "JoinResponse.sysctls",
    async run(scene) {
      const { sysctls = {} } = (await joined(scene)).response;
      const strays = Object.entries(sysctls).filter(
        ([key, value]) => typeof value !== "string" || !/^net\..*\bIFNAME\b/.test(key),
      );
      must(strays.length === 0, "net.….IFNAME.… = text", () => show(Object.fromEntries(strays)));
    },
  },
  {
    id: "join/twice",
    rule: "Joining again what has joined answers the same and makes nothing more.",
    where: "NetworkDriver.join",
    async run(scene) {
      const { request, sandbox, response } = await joined(scene);
      const before = await scene.stage.remains();
      const again = await scene.driver.join(scene.joinRequest(request, sandbox));
      must(show(again) === show(response), show(response), () => show(again));
      await scene.mustBeClean("what one join needs", before);
    },
  },
  {
    id: "join/unknown-endpoint",
    rule: "An endpoint that is not there cannot join.",
    where: "NetworkDriver.join",
    async run(scene) {
      scene.needLinks();
      const request = scene.endpoint(await scene.madeNetwork());
      const sandbox = await scene.sandbox();
      await refusal("a join of an unknown endpoint", () =>
        scene.driver.join(scene.joinRequest(request, sandbox)),
      );
      const links = await sandbox.links();
      must(links.length === 0, "no link in the sandbox", () => show(links));
    },
  },
  {
    id: "join/deleted-endpoint",
    rule: "An endpoint that was deleted cannot join.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      scene.needLinks();
      const request = await scene.madeEndpoint(await scene.madeNetwork());
      const { networkId, endpointId } = request;
      await scene.driver.deleteEndpoint({ networkId, endpointId });
      const sandbox = await scene.sandbox();
      await refusal("a join of a deleted endpoint", () =>
        scene.driver.join(scene.joinRequest(request, sandbox)),
      );
    },
  },
  {
    id: "join/leave",
    rule: "After leave and deletion nothing of the endpoint is in the sandbox.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const member = await scene.connected(await scene.madeNetwork());
      await scene.disconnected(member);
      await scene.driver.settle?.();
      const links = await member.sandbox.links();
      must(links.length === 0, "no link in the sandbox", () => show(links));
    },
  },
  {
    id: "join/leave-twice",
    rule: "Leaving what has been left succeeds.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const member = await scene.connected(await scene.madeNetwork());
      await scene.left(member);
      await scene.driver.leave(member.ref);
    },
  },
  {
    id: "join/leave-unknown",
    rule: "Leaving without ever having joined succeeds, also for endpoints that never were.",
    where: "NetworkDriver.leave",
    async run(scene) {
      const network = await scene.madeNetwork();
      const { networkId, endpointId } = await scene.madeEndpoint(network);
      await scene.driver.leave({ networkId, endpointId });
      await scene.driver.leave({ networkId, endpointId: scene.endpoint(network).endpointId });
      await scene.driver.leave({ networkId: scene.network().networkId, endpointId });
    },
  },
  {
    id: "join/again",
    rule: "An endpoint that was deleted can be made and join again, in the same sandbox.",
    where: "NetworkDriver.join",
    async run(scene) {
      const network = await scene.madeNetwork();
      const sandbox = await scene.sandbox();
      const request = scene.endpoint(network);
      for (let round = 0; round < 2; round++)
        await scene.disconnected(await scene.connected(network, { sandbox, request }));
    },
  },
  {
    id: "join/another-sandbox",
    rule: "An endpoint that was deleted can be made and join in another sandbox.",
    where: "NetworkDriver.join",
    async run(scene) {
      const network = await scene.madeNetwork();
      const request = scene.endpoint(network);
      for (let round = 0; round < 2; round++)
        await scene.disconnected(await scene.connected(network, { request }));
    },
  },
  {
    id: "join/two-networks",
    rule: "A sandbox can be on two networks.",
    where: "JoinRequest.freeIndex",
    async run(scene) {
      scene.needMany();
      scene.needLinks();
      const sandbox = await scene.sandbox();
      await scene.connected(await scene.madeNetwork(), { sandbox });
      const second = await scene.madeEndpoint(await scene.madeNetwork());
      const request = { ...scene.joinRequest(second, sandbox), freeIndex: 3, suggestedName: "eth1" };
      const { link } = await scene.driver.join(request);
      must(link !== undefined, "a link", "none");
      const links = await sandbox.links();
      const count = link.indexInSandbox === undefined ? 1 : 2;
      must(links.length === count, `${count} links in the sandbox`, () => show(links));
    },
  },
  {
    id: "join/sandbox-gone",
    rule: "An endpoint whose sandbox is gone is left and deleted like any other.",
    where: "DeleteEndpointRequest.sandboxIsGone",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      await member.sandbox.remove();
      scene.forget(member);
      await scene.driver.leave(member.ref);
      const deleting = scene.driver.deleteEndpoint({ ...member.ref, sandboxIsGone: true });
      await scene.driver.settle?.();
      await deleting;
      await scene.mustBeClean("the network without the endpoint", before);
    },
  },
  {
    id: "join/link-aside",
    rule: "An endpoint whose link was put aside is deleted all the same.",
    where: "DeleteEndpointRequest.linkIsAside",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      await scene.left(member);
      const deleting = scene.driver.deleteEndpoint({ ...member.ref, linkIsAside: true });
      await scene.driver.settle?.();
      await deleting;
      await scene.mustBeClean("the network without the endpoint", before);
    },
  },
  {
    id: "join/delete-without-leave",
    rule: "An endpoint that is deleted without having left leaves nothing behind.",
    where: "NetworkDriver.deleteEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      await scene.driver.settle?.();
      const before = await scene.stage.remains();
      const member = await scene.connected(network);
      await member.sandbox.remove();
      scene.forget(member);
      await scene.driver.deleteEndpoint(member.ref);
      await scene.mustBeClean("the network without the endpoint", before);
    },
  },
];
