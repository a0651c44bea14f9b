// POST /networks/create: from the request's document to the engine's spec.

import type { NetworkSpec, PoolSpec } from "../../engine/types.ts";
import { formatPrefix, hasHostBits, subnetOf } from "../../netip/index.ts";
import { forbidden, invalid } from "../../util/errors.ts";
import type { CreateNetworkRequest, IpamConfigInput } from "../schemas/network.ts";
import { defined, nonEmpty, readAddress, readPrefix } from "../text.ts";

/** Throws invalid on anything malformed; what depends on other networks is the engine's to judge. */
export function readNetworkSpec(request: CreateNetworkRequest): NetworkSpec {
  const name = request.Name ?? "";
  if (name.trim() === "") throw invalid("invalid network name: name is empty");
  if (request.Ingress && request.Scope !== "swarm")
    throw forbidden("Ingress network can only be global scope network");
  return {
    name,
    driver: request.Driver || "bridge",
    ...defined({
      scope: nonEmpty(request.Scope),
      configFrom: nonEmpty(request.ConfigFrom?.Network),
      enableIpv4: request.EnableIPv4,
      enableIpv6: request.EnableIPv6,
    }),
    internal: request.Internal ?? false,
    attachable: request.Attachable ?? false,
    ingress: request.Ingress ?? false,
    configOnly: request.ConfigOnly ?? false,
    ipam: {
      driver: request.IPAM?.Driver || "default",
      ...defined({ options: request.IPAM?.Options }),
      pools: (request.IPAM?.Config ?? []).map(readPool),
    },
    options: request.Options ?? {},
    labels: request.Labels ?? {},
  };
}

function readPool(input: IpamConfigInput): PoolSpec {
  const auxiliary = Object.entries(input.AuxiliaryAddresses ?? input.AuxAddress ?? {});
  const pool = {
    ...(input.Subnet && { subnet: readPrefix(input.Subnet, "subnet") }),
    ...(input.IPRange && { range: readPrefix(input.IPRange, "ip-range") }),
    ...(input.Gateway && { gateway: readAddress(input.Gateway, "gateway") }),
    auxiliaryAddresses: Object.fromEntries(
      auxiliary.map(([name, text]) => [name, readAddress(text, "auxiliary address")]),
    ),
  };
  for (const prefix of [pool.subnet, pool.range])
    if (prefix && hasHostBits(prefix))
      throw invalid(
        `invalid network config:\ninvalid subnet ${formatPrefix(prefix)}: it should be ${formatPrefix(subnetOf(prefix))}`,
      );
  return pool;
}
