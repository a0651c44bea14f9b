// Platforms: what this machine runs, and which manifest of an index suits it.

import { arch } from "node:process";
import { invalid } from "../util/errors.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

const nodeNames: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", loong64: "loong64" };
const aliases: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  armhf: "arm",
  armel: "arm",
  i386: "386",
};

/** The platform of this machine. */
export function hostPlatform(nodeArch: string = arch): Platform {
  return normalize({ os: "linux", architecture: nodeNames[nodeArch] ?? nodeArch });
}

/** `linux/arm64/v8`, `linux/amd64`, `arm64` or `linux`; throws invalid on anything else. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part)))
    throw invalid(`"${text}" is an invalid OS or architecture: invalid argument`);
  const [first = "", second, variant] = parts;
  if (second !== undefined)
    return normalize({ os: first, architecture: second, ...(variant && { variant }) });
  return first === "linux" || first === "windows"
    ? { ...host, os: first }
    : normalize({ os: "linux", architecture: first });
}

/** `linux/arm64`, `linux/arm/v6`: the variant only where it is not the usual one. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalize(platform);
  return [os, architecture, variant].filter(Boolean).join("/");
}

/** One spelling for each platform: arm64 stands for its v8, arm for its v7. */
export function normalize({ os, architecture, variant }: Platform): Platform {
  const name = aliases[architecture] ?? architecture;
  const usual = name === "arm64" ? ["v8", "8"] : name === "arm" ? ["v7", "7"] : ["v1"];
  const kept = variant && !usual.includes(variant) ? variant : undefined;
  return { os, architecture: name, ...(kept && { variant: kept }) };
}

/** The best fit of `choices` for `wanted`: the same variant, else an older one that it runs too. */
export function choosePlatform<T extends { readonly platform?: Platform }>(
  choices: readonly T[],
  wanted: Platform,
): T | undefined {
  const goal = normalize(wanted);
  const fitting = choices
    .filter((choice) => choice.platform && rank(normalize(choice.platform), goal) !== undefined)
    .map((choice) => ({ choice, rank: rank(normalize(choice.platform ?? goal), goal) ?? 0 }));
  return fitting.sort((a, b) => a.rank - b.rank)[0]?.choice;
}

/** 0 for an exact fit, more for older variants, undefined for what does not run. */
function rank(offered: Platform, goal: Platform): number | undefined {
  if (offered.os !== goal.os || offered.architecture !== goal.architecture) return undefined;
  if (offered.variant === goal.variant) return 0;
  const age = level(goal) - level(offered);
  return age > 0 ? age : undefined;
}

function level({ architecture, variant }: Platform): number {
  const usual = architecture === "arm" ? 7 : architecture === "arm64" ? 8 : 1;
  return variant ? Number.parseFloat(variant.replace(/^v/, "")) || 0 : usual;
}
