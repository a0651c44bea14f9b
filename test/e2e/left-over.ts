// What a daemon may leave behind when it has ended: nothing in the kernel, nothing that runs.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Snapshot, snapshotMachine, snapshotNetns } from "../lab/leaks.ts";
import { run } from "./run.ts";

/** The state of a host that a daemon changes and must give back. `folder`: where the daemon keeps its files. */
export async function snapshotHost(netns: string, folder: string): Promise<Snapshot> {
  const [network, machine, sysctls, sockets] = await Promise.all([
    snapshotNetns(netns),
    snapshotMachine(folder),
    readSysctls(netns),
    unixSockets(folder),
  ]);
  const nftables = (network.nftables ?? []).map(withoutSetNotation);
  return { ...network, nftables, ...machine, sysctls, sockets };
}

/** nft lists a set's elements over several lines, in an order of its own. */
function withoutSetNotation(line: string): string {
  return line
    .replace(/^elements = \{/, "")
    .replace(/[,}]$/, "")
    .trim();
}

/** Values that change by themselves. */
const restless = /nf_conntrack_count|random|\.(?:min_adv|stable_secret)|tcp_fastopen_key/;

async function readSysctls(netns: string): Promise<string[]> {
  const { stdout } = await run("nsenter", [`--net=${netns}`, "sysctl", "-a", "-r", "^net\\."]);
  return stdout.split("\n").filter((line) => line !== "" && !restless.test(line));
}

/** Bound sockets, abstract ones too. */
async function unixSockets(folder: string): Promise<string[]> {
  const lines = (await readFile("/proc/net/unix", "utf8")).split("\n");
  return lines.filter((line) => line.includes(folder)).map((line) => line.split(" ").at(-1) ?? "");
}

const depthOfContainers = 3;

/** Cgroups of these containers. */
export async function cgroupsOf(
  containerIds: ReadonlySet<string>,
  path = "/sys/fs/cgroup",
  depth = 0,
): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const own = folders.filter((name) => containerIds.has(name)).map((name) => join(path, name));
  if (depth === depthOfContainers) return own;
  const below = await Promise.all(
    folders.map((name) => cgroupsOf(containerIds, join(path, name), depth + 1)),
  );
  return [...own, ...below.flat()];
}
