// What an answer to a join may say, whatever came before it.

import {
  type Address,
  hasHostBits,
  isLinkLocal,
  isLinkName,
  prefixContains,
  sameAddress,
} from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { ipv4, ipv6, linkInSandbox, links, type NetworkFacts } from "../network-needs.ts";
import type { NetworkWish, Scene } from "../scene.ts";
import { show } from "../show.ts";

type Joined = Awaited<ReturnType<typeof joined>>;

/** An endpoint that has joined and whose link nobody has taken yet. */
export async function joined(scene: Scene, wish: NetworkWish = {}) {
  const network = await scene.madeNetwork(wish);
  const request = await scene.madeEndpoint(network);
  const sandbox = await scene.sandbox();
  const response = await scene.driver.join(scene.joinRequest(request, sandbox));
  return { network, request, sandbox, response };
}

/** A rule about one answer. */
function answer(
  facts: Omit<Check<Scene, NetworkFacts>, "run">,
  judge: (answer: Joined, scene: Scene) => void | Promise<void>,
  wish?: NetworkWish,
): Check<Scene, NetworkFacts> {
  return { ...facts, run: async (scene) => await judge(await joined(scene, wish), scene) };
}

/** A rule about the link of an answer. */
function linkAnswer(
  facts: Omit<Check<Scene, NetworkFacts>, "run" | "where" | "needs">,
  judge: (link: NonNullable<Joined["response"]["link"]>) => void,
): Check<Scene, NetworkFacts> {
  return answer({ ...facts, where: "JoinResponse.link", needs: [links] }, ({ response: { link } }) => {
    must(link !== undefined, "a link", "none");
    judge(link);
  });
}

function mustBeGateway(gateway: Address | undefined, family: 4 | 6, { network, response }: Joined): void {
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

export const joinAnswerChecks: readonly Check<Scene, NetworkFacts>[] = [
  linkAnswer(
    {
      id: "join/link-name",
      rule: "The name of a link has 1 to 15 characters, none of them a space, / or :.",
    },
    ({ srcName }) => must(isLinkName(srcName), "such a name", () => show(srcName)),
  ),
  linkAnswer(
    {
      id: "join/link-prefix",
      rule: "The beginning of a link's final name leaves room for a number.",
    },
    ({ dstPrefix, dstName }) =>
      must(
        dstName !== undefined || isLinkName(`${dstPrefix}999`),
        "up to 12 characters, like eth",
        show(dstPrefix),
      ),
  ),
  linkAnswer(
    { id: "join/link-final-name", rule: "A final name is one that a link can have." },
    ({ dstName }) => must(dstName === undefined || isLinkName(dstName), "such a name", show(dstName)),
  ),
  answer(
    {
      id: "join/link-is-there",
      rule: "The link is where the answer says: in the host's namespace, or in the sandbox under its index or name.",
      where: "JoinResponse.link",
      needs: [links],
    },
    async ({ response, sandbox }, scene) => {
      const { srcName = "", indexInSandbox, isComplete } = response.link ?? {};
      const inSandbox = await sandbox.links();
      if (indexInSandbox === undefined && !isComplete)
        return must((await scene.stage.link(srcName)) !== undefined, `link ${srcName} on the host`, "none");
      const isThere = inSandbox.some(({ index, name }) =>
        indexInSandbox === undefined ? name === srcName : index === indexInSandbox,
      );
      must(isThere, `link ${srcName}, index ${indexInSandbox ?? "any"}, in the sandbox`, () =>
        show(inSandbox),
      );
    },
  ),
  answer(
    {
      id: "join/mac-of-link",
      rule: "A link that is in the sandbox already has the endpoint's MAC.",
      where: "JoinResponse.link",
      needs: [linkInSandbox],
    },
    async ({ response, sandbox, request }, scene) => {
      const { macAddress } = await scene.driver.createEndpoint(request);
      const link = (await sandbox.links()).find((each) => each.index === response.link?.indexInSandbox);
      must(macAddress === undefined || link?.mac === macAddress, show(macAddress), () => show(link?.mac));
    },
  ),
  answer(
    {
      id: "join/gateway",
      rule: "A gateway is an IPv4 address, and one that the sandbox can send to.",
      where: "JoinResponse.gateway",
    },
    (given) => mustBeGateway(given.response.gateway, 4, given),
  ),
  answer(
    {
      id: "join/ipv6-gateway",
      rule: "An IPv6 gateway is an IPv6 address, and one that the sandbox can send to.",
      where: "JoinResponse.gatewayIpv6",
    },
    (given) => mustBeGateway(given.response.gatewayIpv6, 6, given),
  ),
  answer(
    {
      id: "join/gateway-is-another",
      rule: "An endpoint is not its own gateway.",
      where: "JoinResponse.gateway",
    },
    ({ response, request }) => {
      const { address, addressIpv6 } = { ...request.interface, ...response.interface };
      const isOwn = (own?: Address, gateway?: Address) => gateway !== undefined && sameAddress(own, gateway);
      must(
        !isOwn(address?.address, response.gateway) && !isOwn(addressIpv6?.address, response.gatewayIpv6),
        "another address than the endpoint's",
        () => show(response),
      );
    },
  ),
  answer(
    {
      id: "join/no-ipv6-gateway",
      rule: "There is no IPv6 gateway on a network without IPv6.",
      where: "JoinResponse.gatewayIpv6",
      needs: [ipv4],
    },
    ({ response }) => must(response.gatewayIpv6 === undefined, "none", () => show(response.gatewayIpv6)),
    { enableIpv6: false },
  ),
  answer(
    {
      id: "join/no-ipv4-gateway",
      rule: "There is no IPv4 gateway on a network without IPv4.",
      where: "JoinResponse.gateway",
      needs: [ipv6],
    },
    ({ response }) => must(response.gateway === undefined, "none", () => show(response.gateway)),
    { enableIpv4: false },
  ),
  answer(
    {
      id: "join/routes",
      rule: "Static routes are a list, and their destinations have no host bits.",
      where: "StaticRoute.destination",
    },
    ({ response: { staticRoutes } }) => {
      must(Array.isArray(staticRoutes), "a list", () => show(staticRoutes));
      const strays = staticRoutes.filter(({ destination }) => hasHostBits(destination));
      must(strays.length === 0, "subnets", () => show(strays));
    },
  ),
  answer(
    {
      id: "join/next-hops",
      rule: "The next hop of a route is of the family of its destination, and a route that only catches packets has none.",
      where: "StaticRoute.nextHop",
    },
    ({ response: { staticRoutes } }) => {
      const strays = staticRoutes.filter(
        ({ destination, nextHop, type }) =>
          nextHop && (nextHop.family !== destination.address.family || type !== undefined),
      );
      must(strays.length === 0, "such routes", () => show(strays));
    },
  ),
  answer(
    {
      id: "join/flags",
      rule: "What an answer says of gateway service and reach it says with true or false.",
      where: "JoinResponse.disableGatewayService",
    },
    ({ response: { disableGatewayService, isExternal = false, isReachedDirectly = false } }) => {
      const flags = { disableGatewayService, isExternal, isReachedDirectly };
      const isRight = Object.values(flags).every((flag) => typeof flag === "boolean");
      must(isRight, "true or false", () => show(flags));
    },
  ),
  answer(
    {
      id: "join/sysctls",
      rule: "Sysctls of a link are text, and are about the link: IFNAME stands in their keys.",
      where: "JoinResponse.sysctls",
    },
    ({ response: { sysctls = {} } }) => {
      const strays = Object.entries(sysctls).filter(
        ([key, value]) => typeof value !== "string" || !/^net\..*\bIFNAME\b/.test(key),
      );
      must(strays.length === 0, "net.….IFNAME.… = text", () => show(Object.fromEntries(strays)));
    },
  ),
];
