// Docker's gates for a profile that lacks them. Podman's lets every container make namespaces, mount and use keyrings,
// since Podman relies on user namespaces; with real root inside that is more of the kernel than Docker shows.

import type { SeccompProfile, SeccompRule } from "./seccomp.ts";

const allow = "SCMP_ACT_ALLOW";
const refuse = "SCMP_ACT_ERRNO";
const noSuchCall = 38; // ENOSYS: glibc then falls back from clone3 to clone, whose flags a filter can see.
const notPermitted = 1; // EPERM

// CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
const namespaceFlags = 0x7e020000;

// Allowed to those alone who have the capability, as Docker's profile has it.
const gated: Readonly<Record<string, readonly string[]>> = {
  CAP_SYS_ADMIN: [
    "bpf",
    "clone",
    "clone3",
    "fanotify_init",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "perf_event_open",
    "quotactl",
    "quotactl_fd",
    "setdomainname",
    "sethostname",
    "setns",
    "syslog",
    "umount",
    "umount2",
    "unshare",
  ],
  CAP_BPF: ["bpf"],
  CAP_PERFMON: ["perf_event_open"],
  CAP_SYSLOG: ["syslog"],
  CAP_SYS_BOOT: ["reboot"],
  CAP_SYS_NICE: ["get_mempolicy", "mbind", "set_mempolicy"],
  CAP_SYS_PTRACE: ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev"],
};

// What Docker allows to nobody.
const never = [
  "add_key",
  "io_uring_enter",
  "io_uring_register",
  "io_uring_setup",
  "keyctl",
  "pivot_root",
  "request_key",
  "userfaultfd",
];

const restricted = new Set([...Object.values(gated).flat(), ...never]);

/** The profile with Docker's gates in place of its own allowances for the same system calls. */
export function gateAsDocker(profile: SeccompProfile): SeccompProfile {
  const kept = (profile.syscalls ?? []).map(withoutRestricted).filter((rule) => rule.names?.length !== 0);
  return { ...profile, syscalls: [...kept, ...gates()] };
}

function withoutRestricted(rule: SeccompRule): SeccompRule {
  const names = rule.names ?? (rule.name ? [rule.name] : []);
  return { ...rule, names: names.filter((name) => !restricted.has(name)) };
}

function gates(): SeccompRule[] {
  const allowed = Object.entries(gated).map(([capability, names]) => ({
    names,
    action: allow,
    includes: { caps: [capability] },
  }));
  const withoutAdmin = { excludes: { caps: ["CAP_SYS_ADMIN"] } };
  return [
    ...allowed,
    {
      names: ["clone"],
      action: allow,
      args: [{ index: 0, value: namespaceFlags, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      ...withoutAdmin,
    },
    { names: ["clone3"], action: refuse, errnoRet: noSuchCall, ...withoutAdmin },
    ...refusals(),
  ];
}

/** Refused with EPERM as Docker does, where the profile's default would be ENOSYS; gated calls only without their capabilities. */
function refusals(): SeccompRule[] {
  const holders = (name: string) =>
    Object.keys(gated).filter((capability) => gated[capability]?.includes(name));
  const calls = [...restricted].filter((name) => name !== "clone" && name !== "clone3");
  return calls.map((name) => ({
    names: [name],
    action: refuse,
    errnoRet: notPermitted,
    excludes: { caps: holders(name) },
  }));
}
