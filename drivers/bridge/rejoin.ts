// After a start: a port that is there is compared with what it should be, and only what differs is changed.

import type { EndpointRef, Host } from "../../src/driverapi/index.ts";
import { type BridgeLink, portGroup } from "./bridge-link.ts";

/** Puts a port that somebody took off its bridge or out of its group, or set down, back. */
export async function repairPort(
  host: Host,
  { endpointId }: EndpointRef,
  { port, bridge }: { readonly port: string; readonly bridge: BridgeLink },
): Promise<void> {
  const link = await host.netlink.link(port);
  const group = portGroup(bridge);
  if (!link || (link.master === bridge.index && link.group === group && link.up)) return;
  host.log.warn(
    { endpoint: endpointId, link: port, bridge: bridge.name },
    "a port was off its bridge: putting it back",
  );
  await host.netlink.send(host.link.setLink(link.index, { master: bridge.index, group, up: true }));
}
