// API versions: which are served, how a path says one, and what we answer when it says another.

import { invalid } from "../util/errors.ts";

export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

/** The newest version we speak. 1.52 takes fields away that many tools still read: clients negotiate down to this. */
export const maxVersion: ApiVersion = { major: 1, minor: 51 };
/** The oldest version we speak; Docker's own floor. */
export const minVersion: ApiVersion = { major: 1, minor: 24 };

export function formatVersion(version: ApiVersion): string {
  return `${version.major}.${version.minor}`;
}

/** True when `version` is older than 1.`minor`. */
export function isBefore(version: ApiVersion, minor: number): boolean {
  return compareVersions(version, { major: 1, minor }) < 0;
}

/** Splits `/v1.41/networks?x` into its version and `/networks?x`; a path without one has the newest version. */
export function splitVersion(url: string): { readonly version: ApiVersion; readonly url: string } {
  const match = /^\/v([0-9]+)\.([0-9]+)(\/.*)$/.exec(url);
  if (!match) return { version: maxVersion, url };
  return { version: { major: Number(match[1]), minor: Number(match[2]) }, url: match[3] ?? "/" };
}

/** Throws invalid, in Docker's words, when the client is too old or too new. */
export function checkVersion(version: ApiVersion): void {
  const text = formatVersion(version);
  if (compareVersions(version, minVersion) < 0)
    throw invalid(
      `client version ${text} is too old. Minimum supported API version is ${formatVersion(minVersion)}, please upgrade your client to a newer version`,
    );
  if (compareVersions(version, maxVersion) > 0)
    throw invalid(
      `client version ${text} is too new. Maximum supported API version is ${formatVersion(maxVersion)}`,
    );
}

function compareVersions(a: ApiVersion, b: ApiVersion): number {
  return a.major - b.major || a.minor - b.minor;
}
