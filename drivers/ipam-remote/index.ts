// Addresses that somebody else's program hands out, over Docker's plugin protocol.

import type {
  AddressRequest,
  IpamCapabilities,
  IpamDriver,
  PoolLease,
  PoolRequest,
} from "../../src/driverapi/index.ts";
import { Fields, label, type PluginAnswer, type PluginCaller, tellEnd } from "../../src/driverkit/index.ts";
import {
  type Address,
  formatAddress,
  formatPrefix,
  type Prefix,
  parsePrefix,
  prefixesOverlap,
} from "../../src/netip/index.ts";
import { errorKind, forbidden, internal } from "../../src/util/errors.ts";
import { type Log, silentLog } from "../../src/util/log.ts";
import { Undo } from "../../src/util/undo.ts";
import { OwingIpam } from "./owed.ts";

/** How many pools that overlap something of the host are asked for before that is an error. dockerd asks for ever. */
const mostPools = 64;

/** Asks a plugin what it needs. One that does not say needs nothing, as with dockerd. */
export async function readIpamCapabilities(plugin: PluginCaller): Promise<IpamCapabilities> {
  try {
    const reply = await ask(plugin, "GetCapabilities");
    return {
      requiresMacAddress: reply.flag("RequiresMACAddress"),
      requiresRequestReplay: reply.flag("RequiresRequestReplay"),
    };
  } catch (error) {
    if (errorKind(error) === "unavailable") throw error;
    return { requiresMacAddress: false, requiresRequestReplay: false };
  }
}

/**
 * An IPAM driver that may not be there yet: each call finds it, or fails. One that wants to be told again after a start
 * what it has leased is told when it is there.
 */
export function createRemoteIpam(
  plugin: PluginCaller,
  capabilities: IpamCapabilities,
  log: Log = silentLog,
): IpamDriver {
  const driver = new RemoteIpam(plugin, capabilities);
  if (!capabilities.requiresRequestReplay) return driver;
  return new OwingIpam(driver, { incarnation: async () => await plugin.incarnation?.(), log });
}

class RemoteIpam implements IpamDriver {
  readonly name: string;
  readonly capabilities: IpamCapabilities;
  readonly #plugin: PluginCaller;

  constructor(plugin: PluginCaller, capabilities: IpamCapabilities) {
    this.name = plugin.name;
    this.capabilities = capabilities;
    this.#plugin = plugin;
  }

  async defaultAddressSpaces(): Promise<{ local: string; global: string }> {
    const reply = await this.#ask("GetDefaultAddressSpaces");
    return {
      local: reply.text("LocalDefaultAddressSpace"),
      global: reply.text("GlobalDefaultAddressSpace"),
    };
  }

  /** Where the plugin chooses, pools that overlap what the host has are kept until one is found that does not. */
  async requestPool(request: PoolRequest): Promise<PoolLease> {
    await using refused = new Undo();
    for (let tries = 0; tries < mostPools; tries++) {
      const lease = await this.#requestPool(request);
      const other = request.exclude.find((prefix) => prefixesOverlap(prefix, lease.pool));
      if (!other) return lease;
      refused.defer("release pool", () => this.releasePool(lease.poolId));
    }
    throw forbidden(
      `plugin ${this.name}: each of ${mostPools} pools that it offered overlaps what this host has already`,
    );
  }

  async releasePool(poolId: string): Promise<void> {
    await this.#tell("ReleasePool", { PoolID: poolId });
  }

  async requestAddress(request: AddressRequest): Promise<Prefix> {
    const { poolId, address, ...rest } = request;
    const reply = await this.#ask("RequestAddress", {
      PoolID: poolId,
      Address: address ? formatAddress(address) : "",
      Options: this.#addressOptions(rest),
    }).catch(async (error: unknown) => {
      // it may have heard: what was asked for by name can be given back
      if (address && !request.onRecord && errorKind(error) === "unavailable")
        await this.releaseAddress(poolId, address).catch(() => undefined);
      throw error;
    });
    const leased = reply.prefix("Address");
    if (!leased) throw reply.wrong("Address", "the address that was asked for", "");
    return leased;
  }

  async releaseAddress(poolId: string, address: Address): Promise<void> {
    await this.#tell("ReleaseAddress", { PoolID: poolId, Address: formatAddress(address) });
  }

  async #requestPool({ addressSpace, family, pool, subPool, options }: PoolRequest): Promise<PoolLease> {
    const reply = await this.#ask("RequestPool", {
      AddressSpace: addressSpace,
      Pool: pool ? formatPrefix(pool) : "",
      SubPool: subPool ? formatPrefix(subPool) : "",
      Options: options,
      V6: family === 6,
    });
    const leased = reply.prefix("Pool");
    if (!leased) throw reply.wrong("Pool", "an address with its length", "");
    const gatewayText = reply.object("Data")?.text(label.gateway) ?? "";
    const gateway = gatewayText === "" ? undefined : parsePrefix(gatewayText);
    if (gatewayText !== "" && !gateway)
      throw reply.wrong(label.gateway, "an address with its length", gatewayText);
    return { poolId: reply.text("PoolID"), pool: leased, ...(gateway && { gateway }) };
  }

  #addressOptions({ purpose, endpointName, macAddress }: Omit<AddressRequest, "poolId" | "address">) {
    if (purpose === "auxiliary") return null;
    if (purpose === "gateway") return { [label.addressType]: label.gateway };
    const { requiresMacAddress } = this.capabilities;
    return {
      ...(endpointName !== undefined && { [label.endpointName]: endpointName }),
      ...(requiresMacAddress && macAddress && { [label.mac]: macAddress }),
    };
  }

  #ask(method: string, request?: object): Promise<Fields> {
    return ask(this.#plugin, method, request);
  }

  /** A lease that ends; a plugin that is away hears of it when it is back. */
  async #tell(method: string, request: object): Promise<void> {
    const answer = await tellEnd(this.#plugin, `IpamDriver.${method}`, request);
    if (answer) fieldsOf(this.#plugin, method, answer);
  }
}

async function ask(plugin: PluginCaller, method: string, request?: object): Promise<Fields> {
  return fieldsOf(plugin, method, await plugin.call(`IpamDriver.${method}`, request));
}

/** @throws internal with the plugin's words when it refuses (`Error`; some say `Err`) */
function fieldsOf(plugin: PluginCaller, method: string, answer: PluginAnswer): Fields {
  const where = `plugin ${plugin.name}: IpamDriver.${method}`;
  const reply = new Fields(answer, where);
  const refusal = reply.text("Error") || reply.text("Err");
  if (refusal !== "") throw internal(`${where}: ${refusal}`);
  return reply;
}
