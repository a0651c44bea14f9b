// Process limits, never above the daemon's own: raising one needs a capability that the daemon may not have.

import { invalid } from "../../util/errors.ts";
import type { OciRlimit } from "./schema.ts";
import type { UlimitInput } from "./spec-input.ts";

const names = new Set([
  "as",
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

// RLIM_INFINITY: more than a JavaScript number can say exactly.
const unlimited = 2n ** 64n - 1n;

/** The limits as the specification has them. Throws invalid for a name that is none. */
export function chooseRlimits(
  ulimits: readonly UlimitInput[],
  ceilings: Readonly<Record<string, number>>,
): readonly OciRlimit[] {
  return ulimits.map(({ name, soft, hard }) => {
    if (!names.has(name)) throw invalid(`invalid ulimit type: ${name}`);
    const ceiling = ceilings[name] ?? Number.POSITIVE_INFINITY;
    const clamped = Math.min(finite(hard), ceiling);
    return {
      type: `RLIMIT_${name.toUpperCase()}`,
      soft: toWire(Math.min(finite(soft), clamped)),
      hard: toWire(clamped),
    };
  });
}

const finite = (limit: number) => (limit < 0 ? Number.POSITIVE_INFINITY : limit);
const toWire = (limit: number) => (Number.isFinite(limit) ? limit : unlimited);
