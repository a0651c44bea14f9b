// What a daemon does when it starts again: all of it, or what is left of it after a crash.

import type { CreateNetworkRequest, NetworkDriver } from "../../driverapi/index.ts";
import { type Member, noOptions, type Scene } from "../scene.ts";

export interface OnRecord {
  readonly networks: readonly CreateNetworkRequest[];
  readonly members: readonly Member[];
}

/** What a controller does at its start: repeats what is on record, repairs what is joined, and has the rest swept. */
export async function restarted(
  scene: Scene,
  record: OnRecord,
  options: { readonly rejoins?: boolean } = {},
): Promise<void> {
  await scene.driver.settle?.();
  await scene.restart((driver) => replay(driver, record));
  if (options.rejoins !== false)
    for (const { ref, sandbox } of record.members)
      await scene.driver.rejoin?.(scene.joinRequest(ref, sandbox));
  await sweep(scene, record);
}

export async function replay(driver: NetworkDriver, { networks, members }: OnRecord): Promise<void> {
  if (!driver.capabilities.replay) return;
  for (const network of networks) await driver.createNetwork(network);
  for (const { ref, interface: own } of members)
    await driver.createEndpoint({ ...ref, interface: own, options: noOptions });
}

export async function sweep(scene: Scene, { networks, members }: OnRecord): Promise<void> {
  await scene.driver.sweep?.({
    networkIds: new Set(networks.map(({ networkId }) => networkId)),
    endpointIds: new Set(members.map(({ ref }) => ref.endpointId)),
  });
}

export async function serving(scene: Scene) {
  const network = await scene.madeNetwork();
  const [first, second] = [await scene.connected(network), await scene.connected(network)];
  return { network, first, second, record: { networks: [network], members: [first, second] } };
}
