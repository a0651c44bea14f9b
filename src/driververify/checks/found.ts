// Drivers whose endpoints find their addresses by themselves: when they join, from somebody else's DHCP or a plugin's.

import { formatAddress, prefixFamily } from "../../netip/index.ts";
import { type Check, must } from "../check.ts";
import { foundAddresses, type NetworkFacts } from "../network-needs.ts";
import { addressesIn, type Member, type Scene } from "../scene.ts";
import { show } from "../show.ts";

const where = "JoinResponse.interface";
const needs = [foundAddresses];

const textsOf = (member: Member) => addressesIn(member).map(formatAddress);

export const foundChecks: readonly Check<Scene, NetworkFacts>[] = [
  {
    id: "found/when-it-joins",
    rule: "An endpoint that finds its addresses has one when it has joined.",
    where,
    needs,
    async run(scene) {
      const { response } = await scene.connected(await scene.madeNetwork());
      const { address, addressIpv6 } = response.interface ?? {};
      must(Boolean(address ?? addressIpv6), "an address in the answer", () => show(response.interface));
    },
  },
  {
    id: "found/not-before",
    rule: "Before it joins an endpoint that finds its addresses has none.",
    where,
    needs,
    async run(scene) {
      const request = scene.endpoint(await scene.madeNetwork());
      const { address, addressIpv6 } = await scene.driver.createEndpoint(request);
      must(!address && !addressIpv6, "no address yet", () => show({ address, addressIpv6 }));
    },
  },
  {
    id: "found/families",
    rule: "What is found is of the right family.",
    where: "EndpointInterface",
    needs,
    async run(scene) {
      const { response } = await scene.connected(await scene.madeNetwork());
      const { address, addressIpv6 } = response.interface ?? {};
      must(!address || prefixFamily(address) === 4, "an IPv4 address", () => show(address));
      must(!addressIpv6 || prefixFamily(addressIpv6) === 6, "an IPv6 address", () => show(addressIpv6));
    },
  },
  {
    id: "found/differ",
    rule: "No two endpoints find one address, also when they join at once.",
    where,
    needs,
    async run(scene) {
      const network = await scene.madeNetwork();
      const members = await Promise.all(Array.from({ length: 4 }, () => scene.connected(network)));
      const texts = members.flatMap(textsOf);
      must(new Set(texts).size === texts.length, "different addresses", () => show(texts));
    },
  },
  {
    id: "found/again",
    rule: "What an endpoint has found is free for others when it has left: of few addresses there are always some.",
    where: "NetworkDriver.leave",
    needs,
    hint: "let the lease go in leave or deleteEndpoint",
    async run(scene) {
      const network = await scene.madeNetwork();
      const seen: string[] = [];
      for (let round = 0; round < 12; round++) {
        const member = await scene.connected(network);
        seen.push(...textsOf(member));
        await scene.disconnected(member);
      }
      must(seen.length >= 12, "addresses each time", () => show(seen));
    },
  },
];
