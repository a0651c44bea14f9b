// Kernel settings under /proc/sys. Those below net/ are read and written inside a network namespace: the file shows
// the settings of the namespace of whoever opens it.

import { addon } from "../../native/index.ts";
import { KernelError, saying } from "./errors.ts";

/** A setting: "net.ipv4.ip_forward" or, where a name holds dots, "net/ipv4/conf/eth0.1/forwarding". */
export interface Sysctl {
  readonly key: string;
  readonly value: string | number;
}

/** The value, without its line end. Rejects with KernelError: ENOENT for an unknown key, EINVAL for a malformed one. */
export async function readSysctl(key: string, netns?: string): Promise<string> {
  const [value] = await saying(`sysctl ${key}`, addon().netnsFiles(netns, [sysctlPath(key), undefined]));
  return (value ?? "").replace(/\n$/, "");
}

/** Rejects with KernelError: ENOENT for an unknown key, EINVAL for a value that the kernel refuses. */
export async function writeSysctl(key: string, value: string | number, netns?: string): Promise<void> {
  await writeSysctls([{ key, value }], netns);
}

/** Writes several in order, in one visit to the namespace; stops at the first that fails. */
export async function writeSysctls(settings: readonly Sysctl[], netns?: string): Promise<void> {
  if (settings.length === 0) return;
  const files = settings.flatMap(({ key, value }) => [sysctlPath(key), String(value)]);
  const words = settings.map(({ key, value }) => `${key}=${value}`).join(" ");
  await saying(`sysctl -w ${words}`, addon().netnsFiles(netns, files));
}

/**
 * The file of a key, as sysctl(8) reads it: the first separator says which of "." and "/" separates, and the other one
 * then stands for the other ("net.ipv4.conf.eth0/1.forwarding" and "net/ipv4/conf/eth0.1/forwarding" are the same).
 */
export function sysctlPath(key: string): string {
  const swapped = key.search(/[./]/) >= 0 && key[key.search(/[./]/)] === ".";
  const path = swapped ? key.replace(/[./]/g, (separator) => (separator === "." ? "/" : ".")) : key;
  const parts = path.split("/");
  const isPlain = parts.every((part) => part !== "" && part !== "." && part !== ".." && !part.includes("\0"));
  if (!isPlain) throw new KernelError(`sysctl ${key}`, 22, "not a key");
  return `/proc/sys/${path}`;
}
