// A sandbox whose container went on without the daemon: opened again, told to drivers, compared with the kernel, and
// served as before. What is right already is left alone; what has vanished is made anew.

import { notFound } from "../util/errors.ts";
import { Undo } from "../util/undo.ts";
import { attachLink, deleteAsides } from "./attach-link.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { Endpoint } from "./endpoint.ts";
import { createInDriver, leaseAddressesAgain, noteFound, reasonOf, refOf } from "./join.ts";
import type { Netns } from "./netns.ts";
import type { EndpointRecord, SandboxRecord } from "./records.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** A sandbox that is open again, and the endpoints that it is about to have. */
export interface Adoption {
  readonly record: SandboxRecord;
  readonly sandbox: Sandbox;
  readonly netns: Netns | undefined;
  readonly endpoints: readonly Endpoint[];
}

interface Reopening {
  readonly record: SandboxRecord;
  readonly endpoints: readonly EndpointRecord[];
  /** Of the container's first process, if it is known. */
  readonly pid: number | undefined;
}

/** Opens the netns and leases what its endpoints hold. Undefined: the netns is gone, there is nothing to serve. */
export async function openAgain(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  { record, endpoints, pid }: Reopening,
): Promise<Adoption | undefined> {
  try {
    const netns = record.spec.netns === "own" ? await openNetns(parts, record, pid) : undefined;
    const sandbox = sandboxes.open(netns ? record : { ...record, netnsPath: parts.hostNetns }, netns);
    const restored: Endpoint[] = [];
    for (const endpoint of endpoints) {
      const again = await restoreEndpoint(parts, endpoint, record);
      if (again) restored.push(again);
    }
    return { record, sandbox, netns, endpoints: restored };
  } catch (error) {
    parts.log.error({ container: record.spec.containerId, ...reasonOf(error) }, "cannot restore sandbox");
    return undefined;
  }
}

/** Brings what serves the sandbox up to date. What cannot be is logged: the container goes on as it is. */
export async function adopt(parts: ControllerParts, adoption: Adoption): Promise<void> {
  const { record, sandbox, netns, endpoints } = adoption;
  for (const endpoint of endpoints) await repairLink(parts, adoption, endpoint);
  if (netns) parts.background.run("delete links that were put aside", () => deleteAsides(netns));
  try {
    await sandbox.adopt(endpoints);
  } catch (error) {
    parts.log.error({ container: record.spec.containerId, ...reasonOf(error) }, "cannot restore sandbox");
  }
}

/** Somebody may have unmounted the pin: while the container lives, so does its netns. */
async function openNetns(
  { netns, log }: ControllerParts,
  { netnsPath, spec }: SandboxRecord,
  pid: number | undefined,
): Promise<Netns> {
  const container = spec.containerId;
  if (pid && (await netns.pinAgain(netnsPath, pid)))
    log.warn({ container, netns: netnsPath }, "a pin of a namespace has vanished: pinning it again");
  return await netns.open(netnsPath);
}

/** One that fails stays on record and in the kernel, for the next start to try. */
async function restoreEndpoint(
  parts: ControllerParts,
  record: EndpointRecord,
  sandbox: SandboxRecord,
): Promise<Endpoint | undefined> {
  await using undo = new Undo(parts.log);
  try {
    const network = parts.networks.get(record.networkId);
    if (!network) throw notFound(`network ${record.networkId} not found`);
    const endpoint = new Endpoint(network, record);
    await leaseAddressesAgain(endpoint, undo);
    // on a stack of its own: a driver that refuses must not take away what serves somebody
    if (network.driver.capabilities.replay) await createInDriver(endpoint, sandbox, new Undo(parts.log));
    else endpoint.isKeptByDriver = true;
    network.endpoints.set(endpoint.id, endpoint);
    undo.forget();
    return endpoint;
  } catch (error) {
    const { containerId: container, id } = record;
    parts.log.error({ container, endpoint: id, ...reasonOf(error) }, "cannot restore endpoint");
    return undefined;
  }
}

/** A link that vanished is made again by the driver, with the name, addresses and routes that it had. */
async function repairLink(
  parts: ControllerParts,
  { record, netns }: Adoption,
  endpoint: Endpoint,
): Promise<void> {
  const { link } = endpoint.record;
  const { driver } = endpoint.network;
  if (!netns || !link) return;
  try {
    const request = {
      ...refOf(endpoint),
      sandboxKey: netns.path,
      freeIndex: link.index,
      suggestedName: link.name,
    };
    if (await netns.netlink.link(link.index)) return await driver.rejoin?.(request);
    parts.log.warn(
      { container: record.spec.containerId, link: link.name },
      "a link has vanished: making it anew",
    );
    const response = await driver.join(request);
    noteFound(endpoint, response);
    if (response.link)
      await attachLink(parts, endpoint, { netns, freeName: () => link.name, response, link: response.link });
  } catch (error) {
    const { containerId: container } = record.spec;
    parts.log.error({ container, link: link.name, ...reasonOf(error) }, "cannot repair a link");
  }
}
