// CNI networks on a lab host, made by the plugins that Debian's containernetworking-plugins has.

import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { networkSpec } from "../cnm/specs.ts";
import type { World } from "../cnm/world.ts";

export const pluginFolder = "/usr/lib/cni";

/** Why tests of them are skipped; undefined: they are not. */
export const lacksPlugins = existsSync(join(pluginFolder, "bridge"))
  ? undefined
  : "needs Debian's containernetworking-plugins";

/** Addresses by host-local, whose leases are in the world's folder. */
export function hostLocal({ folder }: World, ...subnets: readonly string[]) {
  return {
    type: "host-local",
    dataDir: leaseFolder(folder),
    ranges: subnets.map((subnet) => [{ subnet }]),
    routes: subnets.map((subnet) => ({ dst: subnet.includes(":") ? "::/0" : "0.0.0.0/0" })),
  };
}

/** A bridge of the plugin's own, by which containers leave. */
export function bridge(world: World, part: object = {}, ...subnets: readonly string[]) {
  return {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: true,
    hairpinMode: true,
    ipam: hostLocal(world, ...(subnets.length > 0 ? subnets : ["10.88.0.0/24"])),
    ...part,
  };
}

export const portmap = { type: "portmap", capabilities: { portMappings: true }, snat: true };

/** A network of a chain. */
export function cni(name: string, plugins: readonly object[], part: object = {}) {
  const conf = { cniVersion: "1.0.0", name: `${name}-cni`, plugins, ...part };
  return networkSpec(name, { driver: "cni", options: { "tsdocker.cni.conf": JSON.stringify(conf) } });
}

/** Addresses that host-local has given away, of all networks. */
export async function leases({ folder }: Pick<World, "folder">): Promise<string[]> {
  const networks = await readdir(leaseFolder(folder)).catch(() => []);
  const files = await Promise.all(networks.map((name) => readdir(join(leaseFolder(folder), name))));
  return files.flat().filter((name) => name !== "lock" && !name.startsWith("last_reserved_ip"));
}

function leaseFolder(folder: string): string {
  return join(folder, "ipam");
}
