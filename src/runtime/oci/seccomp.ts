// From a seccomp profile, whose rules are gated by capability, architecture and kernel, to the filter that runc takes for
// one container.

import { arch as nodeArch } from "node:os";
import type { OciSeccomp, OciSyscall } from "./schema.ts";
import { gateAsDocker } from "./seccomp-gates.ts";
import {
  packagedSeccompProfile,
  readSeccompProfile,
  type SeccompProfile,
  type SeccompRule,
} from "./seccomp-profile.ts";

/** What gates look at. */
export interface SeccompContext {
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  /** Go's name of the machine's architecture (`amd64`); absent: this machine's. */
  readonly arch?: string;
  /** [6, 18] for Linux 6.18. */
  readonly kernel: readonly [number, number];
  /** Whether the kernel runs x32 programs; absent: it may. Leaving x32 out spares a third of the filter's making. */
  readonly hasX32?: boolean;
}

/**
 * Reads a profile and fits it to one container. The packaged profile is tightened to what Docker allows: it leaves
 * namespaces and mounts open to everybody. Throws unavailable when the file is missing, invalid when it is no profile.
 */
export async function loadSeccompProfile(path: string, context: SeccompContext): Promise<OciSeccomp> {
  const profile = await readSeccompProfile(path);
  return toOciSeccomp(path === packagedSeccompProfile ? gateAsDocker(profile) : profile, context);
}

/** The filter for one container: gated rules decided, architectures chosen. */
export function toOciSeccomp(profile: SeccompProfile, context: SeccompContext): OciSeccomp {
  const arch = context.arch ?? machineArch();
  const rules = profile.syscalls ?? [];
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: chooseArchitectures(profile, arch).filter(
      (name) => context.hasX32 !== false || name !== x32,
    ),
    ...(profile.flags?.length && { flags: profile.flags }),
    syscalls: rules.filter((rule) => applies(rule, { ...context, arch })).map(toOciSyscall),
  };
}

function applies(rule: SeccompRule, context: SeccompContext & { arch: string }): boolean {
  const { includes = {}, excludes = {} } = rule;
  const has = (name: string) => context.capabilities.includes(name);
  if (excludes.caps?.some(has) || excludes.arches?.includes(context.arch)) return false;
  if (excludes.minKernel && isAtLeast(context.kernel, excludes.minKernel)) return false;
  if (includes.caps?.some((name) => !has(name))) return false;
  if (includes.arches?.length && !includes.arches.includes(context.arch)) return false;
  return !includes.minKernel || isAtLeast(context.kernel, includes.minKernel);
}

function isAtLeast([major, minor]: readonly [number, number], wanted: string): boolean {
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function toOciSyscall(rule: SeccompRule): OciSyscall {
  return {
    names: rule.names?.length ? rule.names : rule.name ? [rule.name] : [],
    action: rule.action,
    ...(rule.errnoRet !== undefined && { errnoRet: rule.errnoRet }),
    ...(rule.args?.length && { args: rule.args }),
  };
}

const architectures: Readonly<Record<string, string>> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
  ppc64le: "SCMP_ARCH_PPC64LE",
  riscv64: "SCMP_ARCH_RISCV64",
  s390x: "SCMP_ARCH_S390X",
};

// Without it in the filter, libseccomp kills who makes an x32 call: right where the kernel knows none.
const x32 = "SCMP_ARCH_X32";

function chooseArchitectures(profile: SeccompProfile, arch: string): readonly string[] {
  if (profile.architectures?.length) return profile.architectures;
  const native = architectures[arch];
  const entry = profile.archMap?.find(({ architecture }) => architecture === native);
  return [...(native ? [native] : []), ...(entry?.subArchitectures ?? [])];
}

const goNames: Readonly<Record<string, string>> = { x64: "amd64", ppc64: "ppc64le" };
const machineArch = () => goNames[nodeArch()] ?? nodeArch();
