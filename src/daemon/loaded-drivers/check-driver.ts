// What a factory made, held against the contract before anybody calls it.

import { inspect } from "node:util";
import type { IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import { invalid } from "../../util/errors.ts";

const networkMethods = [
  "createNetwork",
  "deleteNetwork",
  "createEndpoint",
  "deleteEndpoint",
  "join",
  "leave",
] as const;

const ipamMethods = [
  "defaultAddressSpaces",
  "requestPool",
  "releasePool",
  "requestAddress",
  "releaseAddress",
] as const;

/** @throws invalid: a method is missing, or the capabilities make no sense */
export function checkNetworkDriver(made: unknown): NetworkDriver {
  const capabilities = checkParts("network driver", made, networkMethods);
  const { scope, connectivityScope, replay, predefinedOnly } = capabilities;
  oneOf("capabilities.scope", scope, ["local", "global"]);
  oneOf("capabilities.connectivityScope", connectivityScope, ["local", "global"]);
  oneOf("capabilities.replay", replay, [true, false]);
  if (scope === "global" && connectivityScope === "local")
    throw invalid(
      'capabilities: networks of scope "global" whose connectivityScope is "local": endpoints of one network would not reach each other',
    );
  if (predefinedOnly === true)
    throw invalid(
      "capabilities.predefinedOnly is true: nobody could make a network of it (that is for host and null)",
    );
  return made as NetworkDriver;
}

/** @throws invalid */
export function checkIpamDriver(made: unknown): IpamDriver {
  const { requiresMacAddress, requiresRequestReplay } = checkParts("IPAM driver", made, ipamMethods);
  oneOf("capabilities.requiresMacAddress", requiresMacAddress, [true, false]);
  oneOf("capabilities.requiresRequestReplay", requiresRequestReplay, [true, false]);
  return made as IpamDriver;
}

function checkParts(
  what: string,
  made: unknown,
  methods: readonly string[],
): Readonly<Record<string, unknown>> {
  if (made instanceof Promise)
    throw invalid(
      `its factory answers a promise, and a ${what} is needed: what takes time belongs into its calls`,
    );
  if (typeof made !== "object" || made === null)
    throw invalid(`its factory answers ${inspect(made, { depth: 0 }).slice(0, 80)}, and a ${what} is needed`);
  const parts = made as Readonly<Record<string, unknown>>;
  const missing = methods.filter((method) => typeof parts[method] !== "function");
  if (missing.length > 0) throw invalid(`its factory makes no ${what}: ${missing.join(", ")} missing`);
  const { capabilities } = parts;
  if (typeof capabilities !== "object" || capabilities === null) throw invalid("capabilities are missing");
  return { ...capabilities };
}

function oneOf(what: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const names = allowed.map((each) => JSON.stringify(each)).join(" or ");
  throw invalid(`${what} is ${inspect(value, { depth: 0 }).slice(0, 80)}, not ${names}`);
}
