// Versions of the CNI specification: which of them the driver speaks, and which one a chain is run by.

import { invalid } from "../../src/util/errors.ts";

/** The best first. Results and errors look the same in all of them, as far as the driver reads them. */
const ours: readonly string[] = ["1.1.0", "1.0.0", "0.4.0", "0.3.1", "0.3.0"];

export interface SpokenVersions {
  readonly type: string;
  readonly versions: readonly string[];
}

/**
 * The best version that everybody speaks, of those that the configuration names; absent: of all.
 * @throws invalid, and says who does not
 */
export function chooseVersion(
  named: readonly string[] | undefined,
  plugins: readonly SpokenVersions[],
): string {
  const wanted = ours.filter((version) => named === undefined || named.includes(version));
  if (wanted.length === 0)
    throw invalid(`cniVersion ${named?.join(", ")}: the versions spoken here are ${ours.join(", ")}`);
  const common = wanted.find((version) => plugins.every(({ versions }) => versions.includes(version)));
  if (common) return common;
  const others = plugins.find(({ versions }) => !wanted.some((version) => versions.includes(version)));
  if (!others) throw invalid(`cniVersion ${wanted.join(", ")}: the plugins have none of them in common`);
  throw invalid(`CNI plugin ${others.type} speaks ${others.versions.join(", ")}, not ${wanted.join(", ")}`);
}

/** CHECK came with 0.4.0; GC and STATUS with 1.1.0. */
export function isSpoken(command: "CHECK" | "GC" | "STATUS", version: string): boolean {
  const since = command === "CHECK" ? "0.4.0" : "1.1.0";
  return ours.indexOf(version) <= ours.indexOf(since);
}
