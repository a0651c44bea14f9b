// The link that a link-local name server is on.

import { openNetlink } from "../kernel/index.ts";
import type { ServerAddress } from "./upstream.ts";

/** Its index in the namespace that the server is asked from; 0 for a server without a zone. Rejects when it is not there. */
export async function linkOf({ zone, netns }: ServerAddress): Promise<number> {
  if (zone === undefined) return 0;
  if (/^[1-9][0-9]*$/.test(zone)) return Number(zone);
  await using netlink = await openNetlink(netns);
  const link = (await netlink.links()).find(({ name }) => name === zone);
  if (!link) throw new Error(`find the link of a name server: there is no ${zone}`);
  return link.index;
}
