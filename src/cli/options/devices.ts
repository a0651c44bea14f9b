// --device and the block I/O limits that are given per device.

import { isAbsolute, normalize } from "node:path";
import { parseBytes } from "../flags/numbers.ts";
import { cut } from "./checks.ts";

export interface DeviceMapping {
  readonly PathOnHost: string;
  readonly PathInContainer: string;
  readonly CgroupPermissions: string;
}

export interface ThrottleDevice {
  readonly Path: string;
  readonly Rate: number;
}

export interface WeightDevice {
  readonly Path: string;
  readonly Weight: number;
}

/** `type major:minor access`, as the devices cgroup takes it. */
export function checkDeviceCgroupRule(value: string): string {
  if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(value)) return value;
  throw new Error(`invalid device cgroup format '${value}'`);
}

/** True for a CDI name (vendor.com/class=name) rather than a path. */
export function isCdiName(value: string): boolean {
  return /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w-]*=[a-zA-Z0-9][\w.:-]*$/.test(value);
}

/** `host[:container][:rwm]`. */
export function parseDevice(value: string): DeviceMapping {
  const parts = value.split(":");
  const [source = "", second, third] = parts;
  if (parts.length > 3 || source === "") throw new Error(`bad format for path: ${value}`);
  if (third !== undefined && !isDeviceMode(third)) throw new Error(`bad mode specified: ${third}`);
  const secondIsMode = second !== undefined && third === undefined && isDeviceMode(second);
  const target = second === undefined || secondIsMode ? source : second;
  if (!isAbsolute(target)) throw new Error(`${target} is not an absolute path`);
  return {
    PathOnHost: parts.length === 1 || secondIsMode ? normalize(source) : source,
    PathInContainer: normalize(target),
    CgroupPermissions: third ?? (secondIsMode ? second : "rwm"),
  };
}

function isDeviceMode(mode: string): boolean {
  return /^[rwm]{1,3}$/.test(mode) && new Set(mode).size === mode.length;
}

function devicePath(value: string): { path: string; amount: string } {
  const { before: path, after: amount, found } = cut(value, ":");
  if (!found || path === "") throw new Error(`bad format: ${value}`);
  if (!path.startsWith("/dev/")) throw new Error(`bad format for device path: ${value}`);
  return { path, amount };
}

const positive = "Number must be a positive integer";

/** `path:rate`, in bytes a second, with a unit or without. */
export function parseBpsDevice(value: string): ThrottleDevice {
  const { path, amount } = devicePath(value);
  try {
    return { Path: path, Rate: parseBytes(amount) };
  } catch {
    const format = `The correct format is <device-path>:<number>[<unit>]. ${positive}. Unit is optional and can be kb, mb, or gb`;
    throw new Error(`invalid rate for device: ${value}. ${format}`);
  }
}

/** `path:rate`, in operations a second. */
export function parseIopsDevice(value: string): ThrottleDevice {
  const { path, amount } = devicePath(value);
  if (/^\d+$/.test(amount)) return { Path: path, Rate: Number(amount) };
  throw new Error(
    `invalid rate for device: ${value}. The correct format is <device-path>:<number>. ${positive}`,
  );
}

/** `path:weight`: 10 to 1000, or 0 for the default. */
export function parseWeightDevice(value: string): WeightDevice {
  const { path, amount } = devicePath(value);
  const weight = /^\d+$/.test(amount) ? Number(amount) : Number.NaN;
  if (!(weight === 0 || (weight >= 10 && weight <= 1000)))
    throw new Error(`invalid weight for device: ${value}`);
  return { Path: path, Weight: weight };
}

const checked = (parse: (value: string) => unknown) => (value: string) => {
  parse(value);
  return value;
};

export const checkBpsDevice = checked(parseBpsDevice);
export const checkIopsDevice = checked(parseIopsDevice);
export const checkWeightDevice = checked(parseWeightDevice);
