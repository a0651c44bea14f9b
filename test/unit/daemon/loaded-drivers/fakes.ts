// Drivers that behave badly in one way each.

import type { IpamDriver, NetworkDriver } from "../../../../src/driverapi/index.ts";
import { type Prefix, parsePrefix } from "../../../../src/netip/index.ts";
import type { Log } from "../../../../src/util/log.ts";

export const limits = { callMs: 50, careMs: 50 };

export function networkDriver(members: Partial<NetworkDriver> = {}): NetworkDriver {
  return {
    name: "what it calls itself",
    capabilities: { scope: "local", connectivityScope: "local", replay: true },
    createNetwork: async () => undefined,
    deleteNetwork: async () => undefined,
    createEndpoint: async ({ interface: asked }) => asked,
    deleteEndpoint: async () => undefined,
    join: async () => ({ staticRoutes: [], disableGatewayService: true }),
    leave: async () => undefined,
    ...members,
  };
}

export function ipamDriver(members: Partial<IpamDriver> = {}): IpamDriver {
  return {
    name: "what it calls itself",
    capabilities: { requiresMacAddress: false, requiresRequestReplay: true },
    defaultAddressSpaces: async () => ({ local: "l", global: "g" }),
    requestPool: async () => ({ poolId: "p", pool: prefix("10.0.0.0/24") }),
    releasePool: async () => undefined,
    requestAddress: async () => prefix("10.0.0.2/24"),
    releaseAddress: async () => undefined,
    ...members,
  };
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`${text} is no prefix`);
  return parsed;
}

/** A log that can be read. */
export function notedLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const note = (fields: object | string, message = "") =>
    void lines.push(typeof fields === "string" ? fields : `${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  return { log, lines };
}
