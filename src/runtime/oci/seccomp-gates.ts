// Docker's gates for a profile that lacks them. Podman's lets every container make namespaces, mount and use keyrings,
// since Podman relies on user namespaces; with real root inside that is more of the kernel than Docker shows.

import type { SeccompProfile, SeccompRule } from "./seccomp-profile.ts";

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

/**
 * The profile with Docker's gates in place of its own allowances for the same system calls. As with Docker, what is not
 * allowed fails with EPERM, and runc lets calls that are newer than the profile fail with ENOSYS. Rules that say the same
 * as that default are left out: each costs time at every start of a container.
 */
export function gateAsDocker(profile: SeccompProfile): SeccompProfile {
  const kept = (profile.syscalls ?? []).filter((rule) => !isDefault(rule)).map(withoutRestricted);
  return {
    ...profile,
    defaultErrnoRet: notPermitted,
    syscalls: [...kept.filter((rule) => rule.names?.length !== 0), ...gates()],
  };
}

const isDefault = (rule: SeccompRule) => rule.action === refuse && rule.errnoRet === notPermitted;

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
  ];
}
