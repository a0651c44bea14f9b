// Profiles to filters, and Docker's gates.

import { describe, expect, test } from "vitest";
import { gateAsDocker, parseSeccompProfile, toOciSeccomp } from "../../../src/runtime/index.ts";
import type { SeccompProfile } from "../../../src/runtime/oci/seccomp-profile.ts";

const allow = "SCMP_ACT_ALLOW";
const refuse = "SCMP_ACT_ERRNO";
const context = { capabilities: ["CAP_CHOWN"], arch: "amd64", kernel: [6, 18] as const };

const profile: SeccompProfile = {
  defaultAction: refuse,
  defaultErrnoRet: 38,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
  ],
  syscalls: [
    { names: ["read", "mount", "keyctl", "clone", "clone3"], action: allow, args: [] },
    { names: ["swapon"], action: refuse, errnoRet: 1 },
    { names: ["chown"], action: allow, includes: { caps: ["CAP_CHOWN"] } },
    { names: ["ptrace"], action: allow, includes: { minKernel: "4.8" } },
    { names: ["newer"], action: allow, includes: { minKernel: "6.19" } },
    { names: ["arm_call"], action: allow, includes: { arches: ["arm64"] } },
    { names: ["chroot"], action: refuse, errnoRet: 1, excludes: { caps: ["CAP_SYS_CHROOT"] } },
    { names: ["socket"], action: allow, args: [{ index: 0, value: 40, op: "SCMP_CMP_NE" }] },
    { name: "old_style", action: allow },
  ],
};

const namesOf = (filter: ReturnType<typeof toOciSeccomp>, action: string) =>
  (filter.syscalls ?? []).flatMap((rule) => (rule.action === action ? rule.names : []));

describe("a profile", () => {
  test("is decided by capability, kernel and architecture", () => {
    const filter = toOciSeccomp(profile, context);
    expect(namesOf(filter, allow)).toEqual([
      ...["read", "mount", "keyctl", "clone", "clone3", "chown", "ptrace", "socket", "old_style"],
    ]);
    expect(namesOf(filter, refuse)).toEqual(["swapon", "chroot"]);
    expect(filter).toMatchObject({ defaultAction: refuse, defaultErrnoRet: 38 });
  });

  test("chooses the machine's architectures, x32 only where the kernel has it", () => {
    const of = (changes: object) => toOciSeccomp(profile, { ...context, ...changes }).architectures;
    expect(of({})).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    expect(of({ hasX32: false })).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    expect(of({ arch: "arm64" })).toEqual(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    const fixed = { ...profile, architectures: ["SCMP_ARCH_S390"] };
    expect(toOciSeccomp(fixed, context).architectures).toEqual(["SCMP_ARCH_S390"]);
  });

  test("keeps arguments and leaves empty ones out", () => {
    const rules = toOciSeccomp(profile, context).syscalls ?? [];
    expect(rules[0]).toEqual({ names: ["read", "mount", "keyctl", "clone", "clone3"], action: allow });
    expect(rules.find(({ names }) => names.includes("socket"))?.args).toHaveLength(1);
  });

  test("that is none is refused with Docker's text", () => {
    for (const text of ["{", "[]", "null", '{"syscalls":[]}'])
      expect(() => parseSeccompProfile(text)).toThrow("Decoding seccomp profile failed");
  });
});

describe("Docker's gates", () => {
  const gated = (capabilities: readonly string[]) =>
    toOciSeccomp(gateAsDocker(profile), { ...context, capabilities });

  test("close namespaces, mounts and keyrings to who lacks the capability", () => {
    const filter = gated([]);
    const allowed = namesOf(filter, allow);
    for (const name of ["mount", "unshare", "setns", "keyctl", "bpf"]) expect(allowed).not.toContain(name);
    expect(allowed).toContain("read");
    expect(filter.defaultErrnoRet).toBe(1);
  });

  test("let clone through without namespace flags and make clone3 absent", () => {
    const rules = gated([]).syscalls ?? [];
    expect(rules.filter(({ names }) => names.includes("clone"))).toEqual([
      {
        names: ["clone"],
        action: allow,
        args: [{ index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      },
    ]);
    expect(rules).toContainEqual({ names: ["clone3"], action: refuse, errnoRet: 38 });
  });

  test("open with the capability", () => {
    const allowed = namesOf(gated(["CAP_SYS_ADMIN"]), allow);
    for (const name of ["mount", "unshare", "clone", "clone3", "bpf"]) expect(allowed).toContain(name);
    expect(allowed).not.toContain("keyctl");
    expect(namesOf(gated(["CAP_BPF"]), allow)).toContain("bpf");
  });

  test("leave no rule that says what the default says", () => {
    expect(namesOf(gated([]), refuse)).toEqual(["clone3"]);
  });
});
