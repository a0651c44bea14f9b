// How a network comes to be: checks, configuration, pools, driver, record; all of it on one undo stack.

import type { IpamDriver, NetworkDriver } from "../driverapi/index.ts";
import type { Family } from "../netip/index.ts";
import { allDone } from "../util/all-done.ts";
import { forbidden, invalid, notFound } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import { Undo } from "../util/undo.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { checkIpam } from "./ipam-check.ts";
import { leasePools, releasePools } from "./leases.ts";
import { createRequest, driverOptions, Network } from "./network.ts";
import type { NetworkRecord } from "./records.ts";
import { pack } from "./stored.ts";
import type { NetworkSpec } from "./types.ts";

const predefinedNames = ["bridge", "host", "none", "default"];

/** Docker's rule for names of things (`RestrictedNamePattern`), which URLs and DNS can live with. */
const networkName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Makes a network as a user asked. The caller holds no lock; the name is held in the index. */
export async function createNetwork(parts: ControllerParts, wish: NetworkSpec): Promise<Network> {
  checkName(wish.name);
  parts.networks.reserveName(wish.name);
  try {
    return await makeNetwork(parts, withConfiguration(parts, wish), { predefined: false });
  } finally {
    parts.networks.freeName(wish.name);
  }
}

/** Makes a network; also for the daemon's own, whose names users cannot take. */
export async function makeNetwork(
  parts: ControllerParts,
  spec: NetworkSpec,
  options: { readonly predefined: boolean },
): Promise<Network> {
  const driver = findDriver(parts, spec, options);
  const ipam = findIpam(parts, spec);
  const draft = draftRecord(spec, driver, options);
  checkIpam(spec.ipam.pools, draft);
  await using undo = new Undo(parts.log);
  const record = draft.configOnly ? draft : await withPools(parts, { draft, driver, ipam }, undo);
  const network = new Network(record, driver, ipam);
  // a crash in between leaves links that carry the network's mark, or a record: a start clears either
  undo.defer("forget network", () => parts.records.networks.delete(record.id));
  undo.defer("delete network", () => driver.deleteNetwork({ networkId: record.id }));
  const stored = parts.records.networks.put(record.id, pack(record));
  if (!record.configOnly) await allDone([driver.createNetwork(createRequest(record)), stored]);
  await stored;
  undo.forget();
  parts.networks.add(network);
  return network;
}

function checkName(name: string): void {
  if (predefinedNames.includes(name))
    throw forbidden(`operation is not permitted on predefined ${name} network`);
  if (name.trim() === "") throw invalid("invalid name: name is empty");
  if (!networkName.test(name))
    throw invalid(
      `invalid name: ${name} includes invalid characters, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
}

function findDriver(
  parts: ControllerParts,
  spec: NetworkSpec,
  { predefined }: { readonly predefined: boolean },
): NetworkDriver {
  // a configuration is nothing real, whatever driver its users will have
  const name = spec.configOnly ? "null" : spec.driver || "bridge";
  const driver = parts.drivers.get(name);
  if (!driver) throw notFound(`plugin "${name}" not found`);
  if (driver.capabilities.predefinedOnly && !predefined && !spec.configOnly)
    throw forbidden(`only one instance of "${name}" network is allowed`);
  if (spec.scope === "swarm")
    throw forbidden("cannot create a swarm scoped network when swarm is not active");
  if (spec.scope && spec.scope !== driver.capabilities.scope)
    throw forbidden(`invalid network scope "${spec.scope}" for driver "${name}"`);
  return driver;
}

function findIpam(parts: ControllerParts, spec: NetworkSpec): IpamDriver {
  const name = spec.ipam.driver || (spec.driver === "host" || spec.driver === "null" ? "null" : "default");
  const ipam = parts.ipamDrivers.get(name);
  if (!ipam) throw notFound(`plugin "${name}" not found`);
  return ipam;
}

function draftRecord(
  spec: NetworkSpec,
  driver: NetworkDriver,
  { predefined }: { readonly predefined: boolean },
): NetworkRecord {
  const enableIpv4 = spec.enableIpv4 ?? flag(spec, "com.docker.network.enable_ipv4") ?? true;
  const enableIpv6 = spec.enableIpv6 ?? flag(spec, "com.docker.network.enable_ipv6") ?? false;
  const isReal = !spec.configOnly && !driver.capabilities.predefinedOnly;
  if (isReal && !enableIpv4 && !enableIpv6) throw invalid("IPv4 or IPv6 must be enabled");
  return {
    ...spec,
    id: newId(),
    driver: driver.name,
    scope: driver.capabilities.scope,
    ipam: { ...spec.ipam, driver: spec.ipam.driver || "default" },
    enableIpv4,
    enableIpv6,
    createdAt: new Date().toISOString(),
    predefined,
    pools: [],
  };
}

function flag({ options }: NetworkSpec, key: string): boolean | undefined {
  const text = options[key];
  if (text === undefined) return undefined;
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw invalid(`invalid value for ${key}: ${JSON.stringify(text)} is not a boolean`);
}

async function withPools(
  parts: ControllerParts,
  {
    draft,
    driver,
    ipam,
  }: { readonly draft: NetworkRecord; readonly driver: NetworkDriver; readonly ipam: IpamDriver },
  undo: Undo,
): Promise<NetworkRecord> {
  if (driver.capabilities.predefinedOnly) return draft;
  const families: Family[] = [
    ...(draft.enableIpv4 ? [4 as const] : []),
    ...(draft.enableIpv6 ? [6 as const] : []),
  ];
  const skip = await driver.checkGateway?.(driverOptions(draft));
  const leased = await leasePools({
    ipam,
    scope: draft.scope,
    families,
    pools: draft.ipam.pools,
    options: draft.ipam.options ?? {},
    exclude: parts.hostPrefixes,
    skipGateway: [...(skip?.skipIpv4 ? [4 as const] : []), ...(skip?.skipIpv6 ? [6 as const] : [])],
  });
  leased.undo.forget();
  undo.defer("release pools", () => releasePools(ipam, leased.pools));
  return { ...draft, pools: leased.pools };
}

/** Fills in what a configuration-only network says. @throws forbidden when both say something */
function withConfiguration(parts: ControllerParts, spec: NetworkSpec): NetworkSpec {
  if (spec.configOnly) {
    checkConfiguration(spec);
    return spec;
  }
  if (!spec.configFrom) return spec;
  const source = parts.networks.find(spec.configFrom);
  if (!source.record.configOnly) throw forbidden(`network ${spec.configFrom} is not a configuration network`);
  const saysSomething =
    Object.keys(spec.options).length > 0 ||
    Object.keys(spec.labels).length > 0 ||
    spec.ipam.pools.length > 0 ||
    Object.keys(spec.ipam.options ?? {}).length > 0 ||
    spec.enableIpv6 === true;
  if (saysSomething) {
    throw forbidden(
      "user specified configurations are not supported if the network depends on a configuration network",
    );
  }
  const { options, labels, ipam, enableIpv4, enableIpv6 } = source.record;
  return { ...spec, configFrom: source.name, options, labels, ipam, enableIpv4, enableIpv6 };
}

function checkConfiguration(spec: NetworkSpec): void {
  if (spec.configFrom)
    throw forbidden("a configuration network cannot depend on another configuration network");
  if (spec.ingress || spec.internal || spec.attachable || spec.scope) {
    throw forbidden(
      "configuration network can only contain network specific fields. Network operator fields like " +
        "[ ingress | internal | attachable | scope ] are not supported.",
    );
  }
}
