// Where a host is in its cluster and what it can be there, from what its operator said.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { formatAddress } from "../../netip/index.ts";
import { unavailable } from "../../util/errors.ts";
import { resolveAdvertise, resolveListen } from "./advertise.ts";
import { defaultPorts, type Listen, type Ports } from "./identity.ts";
import type { Wish } from "./seats.ts";

export interface PlaceOptions {
  /** An interface, an address, or either with the join port; not needed where the host has one address. */
  readonly advertise?: string;
  /** Where the join port is listened on, likewise, when that is another than the advertised one. */
  readonly listen?: string;
  readonly ports?: Partial<Ports>;
}

export interface Place {
  readonly address: string;
  readonly ports: Ports;
  readonly listen?: Listen;
}

/** @throws invalid for an address that is not this host's */
export function placeOf({ advertise, listen, ports }: PlaceOptions): Place {
  const { address, port } = resolveAdvertise(advertise);
  const all = { ...defaultPorts, ...(port !== undefined && { join: port }), ...ports };
  const heard = listen ? { listen: resolveListen(listen, all.join) } : {};
  return { address: formatAddress(address), ports: all, ...heard };
}

/** A host without etcd can be a plain node only. @throws unavailable when it was to be a member */
export async function possibleWish(wish: Wish, etcd: string): Promise<Wish> {
  if (wish === "node" || (await isInstalled(etcd))) return wish;
  if (wish === "auto") return "node";
  throw unavailable("join the cluster as a member: etcd is not installed: apt-get install etcd-server");
}

/** By name in the PATH, or by its path. */
async function isInstalled(program: string): Promise<boolean> {
  const folders = program.includes("/") ? [""] : (process.env.PATH ?? "").split(":");
  const found = await Promise.all(folders.map((folder) => exists(join(folder, program))));
  return found.includes(true);
}

export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
