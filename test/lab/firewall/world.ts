// What the tests of the firewall's life share: which back ends there are, what the kernel holds, a town under fire.

import { createFirewall, type FirewallOptions, type OwnedFirewall } from "../../../src/firewall/index.ts";
import type { Host } from "../../conformance/firewall/lab.ts";

export type Choice = Pick<FirewallOptions, "backend" | "iptables" | "ownTables">;

/** Every back end, and nftables also as kernels before Linux 6.9 have it: anybody may change our tables. */
export const choices = {
  nftables: { backend: "nftables" },
  "nftables, not owned": { backend: "nftables", ownTables: false },
  "iptables-nft": { backend: "iptables", iptables: "nft" },
  "iptables-legacy": { backend: "iptables", iptables: "legacy" },
} as const satisfies Record<string, Choice>;

/** A firewall with these rules, running. */
export async function startFirewall(
  host: Host,
  options: Choice & Pick<FirewallOptions, "onRepaired">,
  rules: Parameters<OwnedFirewall["set"]>[1],
): Promise<OwnedFirewall> {
  const firewall = await createFirewall({ ...options, netns: host.netns });
  await firewall.set("test", rules);
  await firewall.start();
  return firewall;
}

/** A command as a container with a /run of its own would run it: it does not share the lock of iptables-legacy. */
export function withOwnLock(command: string): string {
  return `unshare --mount sh -c "mount -t tmpfs none /run && { ${command}; }"`;
}

/**
 * All rules of the namespace, handles too, without counters, the comments of the tools, and the fence, which is a
 * process's own. What iptables made only its own programs show reliably.
 */
export async function rulesetOf(host: Host): Promise<string> {
  const saves = ["nft", "legacy"].flatMap((kind) =>
    ["iptables", "ip6tables"].map((program) => `${program}-${kind}-save 2>/dev/null`),
  );
  const text = await host.run(`nft -a list ruleset 2>/dev/null; ${saves.join("; ")}`);
  return text
    .replaceAll(/^table (inet tsdocker-fence|ip6? (filter|nat|raw)) [\s\S]*?^}\n/gm, "")
    .replaceAll(/^# .*\n/gm, "")
    .replaceAll(/\[\d+:\d+\]/g, "")
    .replaceAll(/packets \d+ bytes \d+/g, "");
}

/** The same without handles, in pieces and sorted: what was made anew equals what was there. */
export async function rulesOf(host: Host): Promise<string[]> {
  return (await rulesetOf(host))
    .replaceAll(/ ?# (handle \d+|progname .*)/g, "")
    .split(/[\n{},]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .toSorted();
}

/** Numbers from 0 on below `count`, the same ones for the same seed (mulberry32). */
export function dice(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}
