// What a test must leave as it found it: links, rules, namespaces, mounts, processes.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { openNetlink } from "../../src/kernel/index.ts";
import { type Address, isLinkLocal, isMulticast } from "../../src/netip/index.ts";

const run = promisify(execFile);

/** Kinds of things with what there is of each, in text that people can compare. */
export type Snapshot = Readonly<Record<string, readonly string[]>>;

/** IPv6 link-local addresses and their routes come and go with a link's carrier, some time after it. */
function isKernelMade(address: Address): boolean {
  return address.family === 6 && (isLinkLocal(address) || isMulticast(address));
}

/** Links, addresses, routes and rules of one netns (path of its pin; undefined: the process's own). */
export async function snapshotNetns(netns?: string): Promise<Snapshot> {
  await using netlink = await openNetlink(netns);
  const links = await netlink.links();
  const names = new Map(links.map(({ index, name }) => [index, name]));
  const [addresses, routes] = await Promise.all([netlink.addresses(), netlink.routes()]);
  return {
    links: links.map(({ name, alias }) => [name, alias].join(" ").trim()).sort(),
    addresses: addresses
      .filter(({ prefix }) => !isKernelMade(prefix.address))
      .map(({ link, prefix }) => `${names.get(link)} ${prefix.address.value}/${prefix.length}`)
      .sort(),
    routes: routes
      .filter(({ destination }) => !destination || !isKernelMade(destination.address))
      .map(({ link, destination }) => `${destination?.address.value ?? "default"} ${names.get(link ?? 0)}`)
      .sort(),
    nftables: await listRules(netns, "nft", "list", "ruleset"),
    iptables: await listRules(netns, "iptables-save"),
    ip6tables: await listRules(netns, "ip6tables-save"),
  };
}

/** Mounts and processes of the machine that mention any of these words (a lab's folder, say). */
export async function snapshotMachine(...words: readonly string[]): Promise<Snapshot> {
  const mentions = (text: string) => words.some((word) => text.includes(word));
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter(mentions);
  const processes = await Promise.all(
    (await readdir("/proc")).filter((name) => /^[0-9]+$/.test(name)).map(commandLine),
  );
  return { mounts, processes: processes.filter(mentions).sort() };
}

/** What is there now and was not before, by kind; empty when nothing leaked. What went missing counts too. */
export function leaks(before: Snapshot, after: Snapshot): Record<string, { more: string[]; less: string[] }> {
  const kinds = new Set([...Object.keys(before), ...Object.keys(after)]);
  const found: Record<string, { more: string[]; less: string[] }> = {};
  for (const kind of kinds) {
    const [old, now] = [before[kind] ?? [], after[kind] ?? []];
    const more = now.filter((item) => !old.includes(item));
    const less = old.filter((item) => !now.includes(item));
    if (more.length + less.length > 0) found[kind] = { more, less };
  }
  return found;
}

async function commandLine(pid: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.replaceAll("\0", " ").trim();
}

/** iptables over nftables leaves its empty tables behind; what is in them iptables-save tells. */
const iptablesTables = /^table ip6? (filter|nat|raw|mangle|security) \{[\s\S]*?^\}/gm;

/** A listing may fail because the rules change under it. */
async function again<T>(work: () => Promise<T>, tries = 5): Promise<T> {
  return await work().catch((error) => {
    if (tries === 1) throw error;
    return again(work, tries - 1);
  });
}

/** The tool's lines without counters and comments; none where the tool is missing. */
async function listRules(
  netns: string | undefined,
  ...command: readonly [string, ...string[]]
): Promise<string[]> {
  const [file, ...args] = netns ? ["nsenter", `--net=${netns}`, ...command] : command;
  const { stdout } = await again(() => run(file ?? "", args, { maxBuffer: 2 ** 28 })).catch((error) => {
    // the tool, or what it works by
    if (/No such file|ENOENT|not supported|can't initialize/i.test(`${error.message}${error.stderr}`))
      return { stdout: "" };
    throw error;
  });
  return stdout
    .replace(iptablesTables, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#") && !/^:|^\*|^COMMIT/.test(line));
}
