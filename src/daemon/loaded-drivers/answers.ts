// What a driver may answer. An answer that makes no sense fails the call that it answers, and nothing after it.

import { inspect } from "node:util";
import type { EndpointInterface, JoinResponse, PublishedPort } from "../../driverapi/index.ts";
import type { Address, Prefix } from "../../netip/index.ts";
import { internal } from "../../util/errors.ts";

type Members = Readonly<Record<string, unknown>>;

/** @throws internal */
export function checkInterface(answer: unknown): EndpointInterface {
  const given = object("the answer", answer);
  const { address, addressIpv6, macAddress } = given;
  if (address !== undefined) prefix("address", address, 4);
  if (addressIpv6 !== undefined) prefix("addressIpv6", addressIpv6, 6);
  if (macAddress !== undefined) text("macAddress", macAddress);
  return given as EndpointInterface;
}

/** What is left out is taken for none. @throws internal */
export function checkJoin(answer: unknown): JoinResponse {
  const given = object("the answer", answer);
  const { link, gateway, gatewayIpv6, staticRoutes = [], disableGatewayService = false } = given;
  if (link !== undefined) {
    const { srcName, dstPrefix } = object("link", link);
    text("link.srcName", srcName);
    text("link.dstPrefix", dstPrefix);
  }
  if (given.interface !== undefined) checkInterface(given.interface);
  for (const server of list("dnsServers", given.dnsServers ?? [])) address("dnsServers", server);
  if (gateway !== undefined) address("gateway", gateway, 4);
  if (gatewayIpv6 !== undefined) address("gatewayIpv6", gatewayIpv6, 6);
  for (const [at, route] of list("staticRoutes", staticRoutes).entries()) {
    const { destination, nextHop } = object(`staticRoutes[${at}]`, route);
    prefix(`staticRoutes[${at}].destination`, destination);
    if (nextHop !== undefined) address(`staticRoutes[${at}].nextHop`, nextHop);
  }
  return { ...given, staticRoutes, disableGatewayService: disableGatewayService === true } as JoinResponse;
}

/** @throws internal */
export function checkPublished(answer: unknown): readonly PublishedPort[] {
  return list("the answer", answer ?? []) as readonly PublishedPort[];
}

/** @throws internal */
export function checkGateways(answer: unknown): { skipIpv4: boolean; skipIpv6: boolean } {
  const given = object("the answer", answer);
  return { ...given, skipIpv4: given.skipIpv4 === true, skipIpv6: given.skipIpv6 === true };
}

/** @throws internal */
export function checkPool(answer: unknown): { poolId: string; pool: Prefix; gateway?: Prefix } {
  const given = object("the answer", answer);
  text("poolId", given.poolId);
  prefix("pool", given.pool);
  if (given.gateway !== undefined) prefix("gateway", given.gateway);
  return given as { poolId: string; pool: Prefix; gateway?: Prefix };
}

/** An address with its length. @throws internal */
export function checkPrefix(answer: unknown): Prefix {
  prefix("the answer", answer);
  return answer as Prefix;
}

/** @throws internal */
export function checkSpaces(answer: unknown): { local: string; global: string } {
  const { local, global } = object("the answer", answer);
  text("local", local);
  text("global", global);
  return { local: String(local), global: String(global) };
}

function object(what: string, value: unknown): Members {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(what, value, "an object");
  return value as Members;
}

function list(what: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(what, value, "a list");
  return value;
}

function text(what: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw wrong(what, value, "text");
}

function address(what: string, value: unknown, family?: number): void {
  const { family: own, value: number } = (value ?? {}) as Partial<Address>;
  const isOne = (own === 4 || own === 6) && typeof number === "bigint";
  if (!isOne || (family !== undefined && own !== family))
    throw wrong(what, value, `an ${family ? `IPv${family} ` : ""}address (parseAddress)`);
}

function prefix(what: string, value: unknown, family?: number): void {
  const { address: own, length } = (value ?? {}) as Partial<Prefix>;
  if (typeof value !== "object" || !Number.isInteger(length))
    throw wrong(what, value, "an address with its length (parsePrefix)");
  address(what, own, family);
}

function wrong(what: string, value: unknown, expected: string): Error {
  return internal(`${what} is ${inspect(value, { depth: 0 }).slice(0, 80)}, not ${expected}`);
}
