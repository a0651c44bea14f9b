// How a network goes.

import { forbidden } from "../util/errors.ts";
import { shortId } from "../util/ids.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { isGlobal } from "./global/index.ts";
import { releasePools } from "./leases.ts";
import type { Network } from "./network.ts";

/** Removes a user's network. @throws forbidden when it is the daemon's own, or in use */
export async function deleteNetwork(parts: ControllerParts, network: Network): Promise<void> {
  if (network.record.predefined)
    throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
  checkUnused(parts, network);
  if (isGlobal(network)) await parts.globals.require(network.record.driver).remove(network);
  else await removeNetwork(parts, network);
}

/**
 * Removes any network; one that cannot be removed whole stays listed, to be removed again. Between the check and the
 * index no other work can run, so no endpoint slips in.
 */
export async function removeNetwork(parts: ControllerParts, network: Network): Promise<void> {
  parts.networks.remove(network);
  try {
    if (!network.record.configOnly) await network.driver.deleteNetwork({ networkId: network.id });
    await parts.records.store.commit((transaction) => {
      transaction.delete(parts.records.networks, network.id);
      parts.memory.forgetAll(transaction, { networkId: network.id });
    });
  } catch (error) {
    // who connects to it instead finds it whole
    network.isMissing = network.driver.capabilities.replay && !network.record.configOnly;
    parts.networks.add(network);
    throw error;
  }
  await releasePools(network.ipam, network.record.pools);
}

function checkUnused(parts: ControllerParts, network: Network): void {
  const members = [...network.endpoints.values()].map((endpoint) => endpoint.member());
  if (members.length > 0) {
    const list = members
      .map(({ name, endpointId }) => `name:"${name}" id:"${shortId(endpointId)}"`)
      .join(", ");
    throw forbidden(`error while removing network: network ${network.name} has active endpoints (${list})`);
  }
  const users = parts.networks.all().filter(({ record }) => record.configFrom === network.name);
  if (network.record.configOnly && users.length > 0)
    throw forbidden(`configuration network "${network.name}" is in use`);
}
