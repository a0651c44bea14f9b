// br_netfilter hands the packets between two ports of a bridge to the rules for forwarded packets, as Docker has it.

import { readSysctl, writeSysctl } from "../kernel/index.ts";
import type { Family } from "../netip/index.ts";
import { hasCode, notImplemented } from "../util/errors.ts";

/**
 * Switches it on, for all bridges of the namespace.
 * @throws not-implemented when the kernel has no br_netfilter
 */
export async function callBridgeNetfilter(family: Family, netns: string | undefined): Promise<void> {
  const key = `net.bridge.bridge-nf-call-ip${family === 6 ? "6" : ""}tables`;
  try {
    if ((await readSysctl(key, netns)) === "0") await writeSysctl(key, "1", netns);
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
    throw notImplemented("keep the containers of a bridge apart: this needs br_netfilter in the kernel");
  }
}
