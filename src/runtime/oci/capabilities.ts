// Which capabilities a container gets.

import { invalid } from "../../util/errors.ts";
import type { OciCapabilities } from "./schema.ts";

/** Every capability of Linux in the order of its bit (capability.h, to 6.x). */
export const knownCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

// What Docker gives to every container.
const defaults = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

export interface CapabilityWish {
  readonly privileged: boolean;
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

/** The set for a wish. `ALL` in drop leaves only what is added; `ALL` in add gives everything not dropped. Throws invalid. */
export function chooseCapabilities(wish: CapabilityWish, available: readonly string[]): readonly string[] {
  const adds = normalise(wish.add, "CapAdd");
  const drops = normalise(wish.drop, "CapDrop");
  for (const name of adds)
    if (name !== "ALL" && !available.includes(name))
      throw invalid(
        `invalid CapAdd: capability not supported by your kernel or not available in the current environment: "${name}"`,
      );
  if (wish.privileged) return available;
  if (adds.includes("ALL")) return available.filter((name) => !drops.includes(name));
  if (drops.includes("ALL")) return adds;
  const kept = defaults.filter((name) => available.includes(name) && !drops.includes(name));
  return [...new Set([...kept, ...adds])];
}

/** The sets of a process: only root may use them at once, others through what they execute. */
export function capabilitySets(names: readonly string[], uid: number): OciCapabilities {
  return uid === 0 ? { bounding: names, effective: names, permitted: names } : { bounding: names };
}

function normalise(names: readonly string[], field: string): readonly string[] {
  return names.map((given) => {
    const upper = given.toUpperCase();
    const name = upper === "ALL" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (name !== "ALL" && !knownCapabilities.includes(name))
      throw invalid(`invalid ${field}: unknown capability: "${given}"`);
    return name;
  });
}
