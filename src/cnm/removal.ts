// How endpoints go with which nothing is served any more: one that is disconnected, or all of a sandbox that ends. What
// fails is logged, and the rest goes on: nothing here can be half-done and start again.

import { deleteLink, unless } from "../kernel/index.ts";
import { shortId } from "../util/ids.ts";
import { setLinkAside } from "./attach-link.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { revokeExternalConnectivity } from "./external.ts";
import type { Interfaces } from "./interfaces.ts";
import { deleteInDriver, forgetEndpoint, leaveNetwork, reasonOf } from "./join.ts";
import type { Netns } from "./netns.ts";
import type { Settlement } from "./settlement.ts";

/** What an endpoint is taken out of. */
export interface Scene {
  readonly parts: ControllerParts;
  readonly sandboxId: string;
  readonly netns: Netns | undefined;
}

/** Does one step; when it fails that is logged. */
export async function tolerate(
  { parts, sandboxId }: Scene,
  step: string,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    parts.log.warn({ sandbox: shortId(sandboxId), step, ...reasonOf(error) }, "sandbox step failed");
  }
}

/** Takes an endpoint out of a sandbox that goes on without it. */
export async function removeEndpoint(
  scene: Scene,
  endpoint: Endpoint,
  interfaces: Interfaces,
): Promise<void> {
  const { parts, netns } = scene;
  await tolerate(scene, "close ports", () => revokeExternalConnectivity(endpoint));
  await tolerate(scene, "leave", () => leaveNetwork(parts, endpoint, { netns, sandboxEnds: false }));
  await forgetEndpoint(parts, endpoint);
  interfaces.hide(endpoint);
  const isAside = await setLinkAside(endpoint, netns).catch(() => false);
  const deleted = netns && deleteOwnLink(scene, endpoint, netns);
  // the kernel takes tens of milliseconds for a link, and nobody sees it any more
  parts.background.run("delete endpoint", async () => {
    await deleted;
    await deleteInDriver(endpoint, { linkIsAside: isAside });
    interfaces.forget(endpoint);
  });
}

/** One that no driver takes along. Whoever needs what it holds waits for its end. */
async function deleteOwnLink({ parts }: Scene, endpoint: Endpoint, netns: Netns): Promise<void> {
  const { link } = endpoint.record;
  if (!link?.deletedOnLeave) return;
  const gone = unless(["ENODEV"], netns.netlink.sendAside(deleteLink(link.index)));
  parts.departures.note(endpoint.network.driver, gone);
  await gone;
}

/** Ports close and names vanish, then the netns goes and the links with it. */
export async function removeAll(
  scene: Scene,
  endpoints: readonly Endpoint[],
  settlement: Settlement,
): Promise<void> {
  const { parts, netns } = scene;
  await Promise.all([
    ...endpoints.map((endpoint) =>
      tolerate(scene, "close ports", () => revokeExternalConnectivity(endpoint)),
    ),
    ...endpoints.map((endpoint) =>
      tolerate(scene, "withdraw names", () => settlement.withdrawNames(endpoint)),
    ),
    tolerate(scene, "end resolver", () => settlement.endResolver()),
  ]);
  for (const endpoint of endpoints)
    await tolerate(scene, "leave", () => leaveNetwork(parts, endpoint, { netns, sandboxEnds: true }));
  await tolerate(scene, "remove netns", async () => netns && (await parts.netnsPool.remove(netns)));
  await Promise.all(endpoints.map((endpoint) => forgetEndpoint(parts, endpoint)));
}

/** The links, behind the answer: the kernel takes tens of milliseconds for each, and they have names of their own. */
export function deleteLinks({ parts }: Scene, endpoints: readonly Endpoint[]): void {
  for (const endpoint of endpoints)
    parts.background.run("delete endpoint", () => deleteInDriver(endpoint, { sandboxIsGone: true }));
}
