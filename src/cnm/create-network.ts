// How a network comes to be: checks, configuration, pools, driver, record; all of it on one undo stack.

import type { IpamDriver, NetworkDriver } from "../driverapi/index.ts";
import { type Family, type Prefix, prefixContains, sameAddress } from "../netip/index.ts";
import { allDone } from "../util/all-done.ts";
import { forbidden, invalid, notFound } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import { Undo } from "../util/undo.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { isGlobal } from "./global/index.ts";
import type { HostPrefixes } from "./host-prefixes.ts";
import { checkIpam } from "./ipam-check.ts";
import { leasePools, releasePools } from "./leases.ts";
import { createRequest, driverOptions, Network } from "./network.ts";
import { checkNetworkOptions, networkOptionNames } from "./network-options.ts";
import type { NetworkRecord } from "./records.ts";
import { pack } from "./stored.ts";
import { checkUnderlay, overlapWarnings } from "./subnet-overlaps.ts";
import type { NetworkSpec, PoolSpec } from "./types.ts";

const predefinedNames = ["bridge", "host", "none", "default"];

/** Options that every driver's networks may have. */
const controllerOptions: ReadonlySet<string> = new Set(Object.values(networkOptionNames));

/** Docker's rule for names of things (`RestrictedNamePattern`), which URLs and DNS can live with. */
const networkName = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Makes a network as a user asked. The caller holds no lock; the name is held in the index. */
export async function createNetwork(parts: ControllerParts, wish: NetworkSpec): Promise<Network> {
  checkName(wish.name);
  parts.networks.reserveName(wish.name);
  try {
    return await makeNetwork(parts, withDefaults(parts, withConfiguration(parts, wish)), {
      predefined: false,
    });
  } finally {
    parts.networks.freeName(wish.name);
  }
}

export interface MakeOptions {
  readonly predefined: boolean;
  /** By the controller, for containers that need it. */
  readonly madeOnDemand?: true;
  /** What a chosen subnet must not overlap, besides what the host reaches. */
  readonly avoid?: HostPrefixes;
}

/** Makes a network; also for the daemon's own, whose names users cannot take. */
export async function makeNetwork(
  parts: ControllerParts,
  wish: NetworkSpec,
  options: MakeOptions,
): Promise<Network> {
  const driver = await findDriver(parts, wish, options);
  const spec = withIpamOf(driver, wish);
  const ipam = await findIpam(parts, spec, driver);
  const draft = draftRecord(spec, driver, options);
  checkIpam(spec.ipam.pools, draft);
  checkKnownOptions(draft, driver);
  await checkUnderlay(parts, draft);
  await using undo = new Undo(parts.log);
  const record = draft.configOnly ? draft : await withPools(parts, { draft, driver, ipam, options }, undo);
  checkNetworkOptions(record);
  const network = new Network(record, driver, ipam, await overlapWarnings(parts, record));
  // a crash in between leaves links that carry the network's mark, or a record: a start clears either
  undo.defer("forget network", () => parts.records.networks.delete(record.id));
  undo.defer("delete network", () => driver.deleteNetwork({ networkId: record.id }));
  if (isGlobal(network)) {
    // all hosts hear of it at once, and so not before it can be made
    await driver.createNetwork(createRequest(record));
    await parts.globals.publish(network, undo);
    undo.forget();
    parts.networks.add(network);
    return network;
  }
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

async function findDriver(
  parts: ControllerParts,
  spec: NetworkSpec,
  { predefined }: { readonly predefined: boolean },
): Promise<NetworkDriver> {
  // a configuration is nothing real, whatever driver its users will have
  const name = spec.configOnly ? "null" : spec.driver || "bridge";
  const driver = await parts.drivers.find(name);
  if (!driver) throw notFound(`plugin "${name}" not found`);
  if (driver.capabilities.predefinedOnly && !predefined && !spec.configOnly)
    throw forbidden(`only one instance of "${name}" network is allowed`);
  if (spec.scope === "swarm")
    throw forbidden("cannot create a swarm scoped network when swarm is not active");
  if (spec.scope && spec.scope !== driver.capabilities.scope)
    throw forbidden(`invalid network scope "${spec.scope}" for driver "${name}"`);
  return driver;
}

/** @throws invalid when a user names addresses, or who gives them, where the driver finds them by itself */
function withIpamOf({ name, capabilities }: NetworkDriver, spec: NetworkSpec): NetworkSpec {
  const { driver, pools } = spec.ipam;
  if (!capabilities.findsAddresses || spec.configOnly) return spec;
  const isOwn = ["", "default", "null"].includes(driver);
  if (pools.length > 0 || !isOwn)
    throw invalid(
      `networks of driver "${name}" find their addresses by themselves: ${isOwn ? "subnets, gateways and ranges" : "IPAM drivers"} cannot be chosen here`,
    );
  return { ...spec, ipam: { ...spec.ipam, driver: "null" } };
}

async function findIpam(
  parts: ControllerParts,
  spec: NetworkSpec,
  driver: NetworkDriver,
): Promise<IpamDriver> {
  const isGlobalDriver = driver.capabilities.scope === "global" && !spec.configOnly;
  const isDefault = spec.ipam.driver === "" || spec.ipam.driver === "default";
  if (isGlobalDriver) {
    const { ipam } = parts.globals.require(driver.name);
    if (isDefault) return ipam;
  }
  const name = spec.ipam.driver || (spec.driver === "host" || spec.driver === "null" ? "null" : "default");
  const ipam = await parts.ipamDrivers.find(name);
  if (!ipam) throw notFound(`plugin "${name}" not found`);
  return ipam;
}

function draftRecord(
  spec: NetworkSpec,
  driver: NetworkDriver,
  { predefined, madeOnDemand }: MakeOptions,
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
    ...(madeOnDemand && { madeOnDemand }),
    pools: [],
  };
}

/** The operator's words for all networks of a driver, where the user has none of his own. */
function withDefaults(parts: ControllerParts, spec: NetworkSpec): NetworkSpec {
  const defaults = parts.defaultNetworkOptions[spec.driver || "bridge"];
  return spec.configFrom || !defaults ? spec : { ...spec, options: { ...defaults, ...spec.options } };
}

/** @throws invalid for an option of ours that neither the controller nor the driver knows */
function checkKnownOptions(
  { options, configOnly, driver: name }: NetworkRecord,
  driver: NetworkDriver,
): void {
  // whose options a configuration holds is known when somebody uses it
  const { networkOptions } = driver;
  if (configOnly || !networkOptions) return;
  const families = [...networkOptions].filter((option) => option.endsWith("."));
  const isKnown = (key: string) =>
    controllerOptions.has(key) ||
    networkOptions.has(key) ||
    families.some((family) => key.startsWith(family));
  const unknown = Object.keys(options).find((key) => key.startsWith("tsdocker.") && !isKnown(key));
  if (unknown !== undefined) throw invalid(`unknown option ${unknown} for driver ${name}`);
}

/**
 * What the host has on the network's device already: the first address of a subnet is its gateway unless the user names
 * one, and nobody gets the others.
 */
function withPresent({ ipam, options }: NetworkRecord, present: readonly Prefix[]): readonly PoolSpec[] {
  const device = options["com.docker.network.bridge.name"] ?? "host";
  return ipam.pools.map((pool) => {
    const { subnet } = pool;
    const inside = present.map(({ address }) => address).filter((it) => subnet && prefixContains(subnet, it));
    const gateway = pool.gateway ?? inside[0];
    const named = [gateway, ...Object.values(pool.auxiliaryAddresses)];
    const others = inside.filter((address) => !named.some((other) => sameAddress(address, other)));
    const reserved = others.map((address, at) => [`${device}-${at + 1}`, address] as const);
    return {
      ...pool,
      ...(gateway && { gateway }),
      auxiliaryAddresses: { ...pool.auxiliaryAddresses, ...Object.fromEntries(reserved) },
    };
  });
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
    options,
  }: {
    readonly draft: NetworkRecord;
    readonly driver: NetworkDriver;
    readonly ipam: IpamDriver;
    readonly options: MakeOptions;
  },
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
    pools: withPresent(draft, skip?.present ?? []),
    options: draft.ipam.options ?? {},
    networkName: draft.name,
    exclude: () => excluded(parts, options),
    warn: (message) => parts.log.warn({ network: draft.name }, message),
    skipGateway: [...(skip?.skipIpv4 ? [4 as const] : []), ...(skip?.skipIpv6 ? [6 as const] : [])],
  });
  leased.undo.forget();
  undo.defer("release pools", () => releasePools(ipam, leased.pools));
  return { ...draft, internal: draft.internal || skip?.internal === true, pools: leased.pools };
}

async function excluded({ hostPrefixes }: ControllerParts, { avoid }: MakeOptions): Promise<HostPrefixes> {
  const { near, far } = await hostPrefixes();
  return { near: [...near, ...(avoid?.near ?? [])], far: [...far, ...(avoid?.far ?? [])] };
}

/** Fills in what a configuration-only network says. @throws forbidden when both say something */
function withConfiguration(parts: ControllerParts, spec: NetworkSpec): NetworkSpec {
  if (spec.configOnly) {
    checkConfiguration(spec);
    return spec;
  }
  if (!spec.configFrom) return spec;
  const source = parts.networks.all().find(({ record, name, id }) => {
    return record.configOnly && (name === spec.configFrom || id === spec.configFrom);
  });
  if (!source) throw notFound(`configuration network "${spec.configFrom}" does not exist`);
  checkSaysNothing(spec);
  const { options, labels, ipam, enableIpv4, enableIpv6 } = source.record;
  return { ...spec, configFrom: source.name, options, labels, ipam, enableIpv4, enableIpv6 };
}

/** @throws forbidden when a network says itself what its configuration is there to say */
function checkSaysNothing({ labels, ipam, enableIpv4, enableIpv6, options }: NetworkSpec): void {
  const saysSomething =
    Object.keys(labels).length > 0 ||
    (ipam.driver !== "" && ipam.driver !== "default") ||
    ipam.pools.length > 0 ||
    Object.keys(ipam.options ?? {}).length > 0 ||
    enableIpv4 === false ||
    enableIpv6 === true;
  if (saysSomething) {
    throw forbidden(
      "user specified configurations are not supported if the network depends on a configuration network",
    );
  }
  if (Object.keys(options).length > 0)
    throw forbidden(
      "network driver options are not supported if the network depends on a configuration network",
    );
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
