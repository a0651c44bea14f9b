// The profile format that Docker and Podman share, and how it is read. What becomes of it is in seccomp.ts.

import { readFile } from "node:fs/promises";
import { errorMessage, invalid, unavailable } from "../../util/errors.ts";
import type { OciSyscallArg } from "./schema.ts";

/** A profile as its file has it. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** For one fixed set of architectures; `archMap` chooses by machine. */
  readonly architectures?: readonly string[];
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures?: readonly string[] | null;
  }[];
  readonly flags?: readonly string[];
  readonly syscalls?: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names?: readonly string[] | null;
  readonly name?: string;
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly OciSyscallArg[] | null;
  readonly includes?: SeccompGate;
  readonly excludes?: SeccompGate;
}

export interface SeccompGate {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  readonly minKernel?: string;
}

/** Where Debian's golang-github-containers-common (and its like elsewhere) puts the profile. */
export const packagedSeccompProfile = "/usr/share/containers/seccomp.json";

/** Reads and parses a profile's file. Throws unavailable when it is missing, invalid when it is no profile. */
export async function readSeccompProfile(path: string): Promise<SeccompProfile> {
  return parseSeccompProfile(await readText(path), path);
}

/** Parses a profile's text. Throws invalid. */
export function parseSeccompProfile(text: string, name = "seccomp profile"): SeccompProfile {
  try {
    const profile: unknown = JSON.parse(text);
    if (typeof profile === "object" && profile !== null && "defaultAction" in profile)
      return profile as SeccompProfile;
  } catch (error) {
    throw invalid(`Decoding seccomp profile failed: ${errorMessage(error)}`, error);
  }
  throw invalid(`Decoding seccomp profile failed: ${name} has no defaultAction`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unavailable(`read the seccomp profile ${path}: ${errorMessage(error)}`, error);
  }
}
