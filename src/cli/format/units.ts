// Sizes and spans of time for people, as Docker prints them.

import { formatG } from "../template/strings.ts";

const decimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const binaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

function scaled(size: number, base: number, units: readonly string[], digits: number): string {
  let value = size;
  let unit = 0;
  for (; value >= base && unit < units.length - 1; unit++) value /= base;
  return `${formatG(value, digits)}${units[unit]}`;
}

/** Bytes in powers of 1000, to `digits` significant digits: 1.23MB. */
export function humanSize(bytes: number, digits = 4): string {
  return scaled(bytes, 1000, decimalUnits, digits);
}

/** Bytes in powers of 1024: 1.5GiB. */
export function binarySize(bytes: number): string {
  return scaled(bytes, 1024, binaryUnits, 4);
}

/** "3 minutes", "About an hour", "2 weeks". */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(milliseconds / 3_600_000 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 14) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 60) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(milliseconds / 3_600_000) / 24 / 365)} years`;
}

/** The time since a Unix time in seconds: "3 minutes ago". */
export function ago(unixSeconds: number): string {
  return `${humanDuration(Date.now() - unixSeconds * 1000)} ago`;
}
