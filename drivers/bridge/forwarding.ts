// IP forwarding of the host, without which no container reaches anything beyond its bridge.

import type { Host } from "../../src/driverapi/index.ts";
import type { Family } from "../../src/netip/index.ts";

const keys = {
  4: ["net.ipv4.ip_forward"],
  6: ["net.ipv6.conf.default.forwarding", "net.ipv6.conf.all.forwarding"],
} as const;

/** Turns forwarding on where it is off, once per family, if the operator lets the daemon do so. */
export function createForwarding(host: Host): (family: Family) => Promise<void> {
  const done = new Map<Family, Promise<void>>();
  return (family) => {
    if (!host.settings.ipForward) return Promise.resolve();
    const running = done.get(family) ?? enable(host, family);
    done.set(family, running);
    running.catch(() => done.delete(family));
    return running;
  };
}

async function enable(host: Host, family: Family): Promise<void> {
  let wasOff = false;
  for (const key of keys[family]) {
    if ((await host.sysctl.read(key)) === "1") continue;
    wasOff = true;
    await host.sysctl.write(key, "1");
    host.log.info({ key }, "enabled IP forwarding");
  }
  if (wasOff && !host.settings.ipForwardNoDrop)
    await host.firewall.set(`forwarding ${family}`, [{ kind: "forwarding", family }]);
}
