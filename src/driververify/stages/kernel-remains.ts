// What there is in a network namespace, in words that can be compared.

import { readdir } from "node:fs/promises";
import type { Netlink } from "../../kernel/index.ts";
import { type Address, formatPrefix, isLinkLocal, isMulticast } from "../../netip/index.ts";

/** How long the kernel may take to clean up on a busy machine; some of it waits until nobody reads. */
export const kernelPatienceMs = 10_000;

/** Links, addresses and routes, which netlink tells. */
export async function netlinkRemains(
  netlink: Netlink,
): Promise<Record<"links" | "addresses" | "routes", string[]>> {
  const [links, addresses, routes] = await Promise.all([
    netlink.links(),
    netlink.addresses(),
    netlink.routes(),
  ]);
  const names = new Map(links.map(({ index, name }) => [index, name]));
  return {
    links: links.map(({ name, kind }) => (kind ? `${name} (${kind})` : name)),
    addresses: addresses
      .filter(({ prefix }) => !isKernelMade(prefix.address))
      .map(({ link, prefix }) => `${formatPrefix(prefix)} dev ${names.get(link)}`),
    routes: routes
      .filter(({ destination }) => !destination || !isKernelMade(destination.address))
      .map(({ link, destination, family }) =>
        [
          destination ? formatPrefix(destination) : `default (IPv${family})`,
          "dev",
          names.get(link ?? 0),
        ].join(" "),
      ),
  };
}

/** Pins in a folder, if it is there. */
export async function pinsIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}

/** IPv6 link-local addresses and their routes come and go with a link's carrier, some time after it. */
function isKernelMade(address: Address): boolean {
  return address.family === 6 && (isLinkLocal(address) || isMulticast(address));
}
