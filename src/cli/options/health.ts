// --health-* and --no-healthcheck.

import type { FlagValues } from "../flags/values.ts";

export interface HealthConfig {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const times = [
  ["health-interval", "Interval"],
  ["health-timeout", "Timeout"],
  ["health-retries", "Retries"],
  ["health-start-period", "StartPeriod"],
  ["health-start-interval", "StartInterval"],
] as const;

/** The health check, in nanoseconds; undefined when no flag speaks of it. */
export function parseHealth(flags: FlagValues): HealthConfig | undefined {
  const command = flags.string("health-cmd");
  const hasSettings = command !== "" || times.some(([flag]) => flags.number(flag) !== 0);
  if (flags.bool("no-healthcheck")) {
    if (hasSettings) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!hasSettings) return undefined;
  const config: Record<string, unknown> = command === "" ? {} : { Test: ["CMD-SHELL", command] };
  for (const [flag, field] of times) {
    const value = flags.number(flag);
    if (value < 0) throw new Error(`--${flag} cannot be negative`);
    if (value !== 0) config[field] = value;
  }
  return config;
}
