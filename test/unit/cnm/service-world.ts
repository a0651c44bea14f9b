// Hosts with services of the cluster, and what tests see of them.

import type { ServiceRecord } from "../../../src/cnm/global/records.ts";
import { formatAddress } from "../../../src/netip/index.ts";
import type { FakeWorld } from "./fakes.ts";
import { type HostWorld, useCluster } from "./global-hosts.ts";

/** Two or three hosts of one cluster, for each test anew. */
export function useHostsOfServices() {
  const { hosts, ...cluster } = useCluster();
  return {
    ...cluster,
    async two() {
      const [h1, h2] = await hosts(2);
      if (!h1 || !h2) throw new Error("there are not two hosts");
      return [h1, h2] as const;
    },
    async three() {
      const [h1, h2, h3] = await hosts(3);
      if (!h1 || !h2 || !h3) throw new Error("there are not three hosts");
      return [h1, h2, h3] as const;
    },
  };
}

export const blue = ({ controller }: FakeWorld) => controller.network("blue").id;

/** `web 10.0.0.3: c1 c2?` */
export const shown = ({ controller }: FakeWorld) =>
  controller.services().map(
    ({ name, vips, backends }) =>
      `${name} ${vips.map(formatAddress).join()}: ${backends
        .map(({ containerName, isReady }) => containerName + (isReady ? "" : "?"))
        .toSorted()
        .join(" ")}`,
  );

export const vipOf = (world: FakeWorld) =>
  world.controller.services().flatMap(({ vips }) => vips.map(formatAddress));

/** What sandboxes were told, as text: `10.0.0.3 → 10.0.0.2 10.0.0.16`. */
export const balanced = ({ netns }: FakeWorld) =>
  [...netns.balances.values()].map((services) =>
    services
      .map(
        ({ vip, backends }) => `${formatAddress(vip)} → ${backends.map(formatAddress).toSorted().join(" ")}`,
      )
      .join("; "),
  );

export const recordsOf = async ({ node }: HostWorld) => [
  ...(await node.table<ServiceRecord>("services")).entries(),
];

/** Addresses that are all hosts' together, the gateways of blue and red aside. */
export async function reserved({ node }: HostWorld): Promise<number> {
  const blocks = [...(await node.table<{ taken: Record<string, string> }>("ipam-blocks")).entries()];
  return (
    blocks.flatMap(({ value }) => Object.values(value.taken)).filter((taker) => taker === "*").length - 2
  );
}

export const addressOf = (world: FakeWorld, name: string) =>
  [...world.controller.network("blue").endpoints.values()]
    .filter(({ record }) => record.containerName === name)
    .flatMap(({ addresses }) => addresses.map(formatAddress))
    .join();
