// --mount and -v.

import { isAbsolute, resolve } from "node:path";
import { parseCsvLine } from "../flags/csv.ts";
import { parseBool, parseBytes } from "../flags/numbers.ts";
import { cut } from "./checks.ts";

interface BindOptions {
  Propagation?: string;
  NonRecursive?: boolean;
  ReadOnlyNonRecursive?: boolean;
  ReadOnlyForceRecursive?: boolean;
}

interface VolumeOptions {
  NoCopy?: boolean;
  Labels?: Record<string, string>;
  Subpath?: string;
  DriverConfig?: { Name?: string; Options?: Record<string, string> };
}

export interface Mount {
  Type: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  Consistency?: string;
  BindOptions?: BindOptions;
  VolumeOptions?: VolumeOptions;
  ImageOptions?: { Subpath?: string };
  TmpfsOptions?: { SizeBytes?: number; Mode?: number };
}

/** As `parseMount`, which reads it again later. */
export function checkMount(value: string): string {
  parseMount(value);
  return value;
}

/** `type=bind,source=…,target=…,…`. Throws Docker's texts. */
export function parseMount(value: string): Mount {
  const mount: Mount = { Type: "volume" };
  for (const field of parseCsvLine(value)) {
    const { before, after, found } = cut(field, "=");
    const key = before.toLowerCase();
    if (!found && !["readonly", "ro", "volume-nocopy", "bind-nonrecursive"].includes(key)) {
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    }
    setMountField(mount, { key, value: found ? after : "true", field });
  }
  checkMountKinds(mount);
  return mount;
}

interface MountField {
  readonly key: string;
  readonly value: string;
  readonly field: string;
}

function setMountField(mount: Mount, { key, value, field }: MountField): void {
  switch (key) {
    case "type":
      mount.Type = value.toLowerCase();
      return;
    case "source":
    case "src":
      mount.Source = value.startsWith(".") ? resolve(value) : value;
      return;
    case "target":
    case "dst":
    case "destination":
      mount.Target = value;
      return;
    case "readonly":
    case "ro":
      mount.ReadOnly = boolOf(key, value);
      return;
    case "consistency":
      mount.Consistency = value.toLowerCase();
      return;
    case "image-subpath":
      mount.ImageOptions = { Subpath: value };
      return;
    case "tmpfs-size":
      mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: sizeOf(key, value) };
      return;
    case "tmpfs-mode":
      if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
      mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
      return;
  }
  if (key.startsWith("bind-")) setBindField(mount, { key, value, field });
  else if (key.startsWith("volume-")) setVolumeField(mount, { key, value, field });
  else throw new Error(`unexpected key '${key}' in '${field}'`);
}

function setBindField(mount: Mount, { key, value, field }: MountField): void {
  const options = mount.BindOptions ?? {};
  mount.BindOptions = options;
  if (key === "bind-propagation") options.Propagation = value.toLowerCase();
  else if (key === "bind-nonrecursive") options.NonRecursive = boolOf(key, value);
  else if (key !== "bind-recursive") throw new Error(`unexpected key '${key}' in '${field}'`);
  else if (value === "disabled") options.NonRecursive = true;
  else if (value === "writable") options.ReadOnlyNonRecursive = true;
  else if (value === "readonly") options.ReadOnlyForceRecursive = true;
  else if (value !== "enabled") {
    throw new Error(
      `invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
    );
  }
}

function setVolumeField(mount: Mount, { key, value, field }: MountField): void {
  const options = mount.VolumeOptions ?? { Labels: {}, DriverConfig: {} };
  const driver = options.DriverConfig ?? {};
  options.DriverConfig = driver;
  mount.VolumeOptions = options;
  const pair = cut(value, "=");
  switch (key) {
    case "volume-subpath":
      options.Subpath = value;
      return;
    case "volume-nocopy":
      options.NoCopy = boolOf(key, value);
      return;
    case "volume-label":
      if (pair.before !== "") options.Labels = { ...options.Labels, [pair.before]: pair.after };
      return;
    case "volume-driver":
      driver.Name = value;
      return;
    case "volume-opt":
      if (pair.before !== "") driver.Options = { ...driver.Options, [pair.before]: pair.after };
      return;
    default:
      throw new Error(`unexpected key '${key}' in '${field}'`);
  }
}

function checkMountKinds(mount: Mount): void {
  if (mount.Type === "") throw new Error("type is required");
  if (!mount.Target) throw new Error("target is required");
  const own: readonly (readonly [string, unknown])[] = [
    ["volume", mount.VolumeOptions],
    ["image", mount.ImageOptions],
    ["bind", mount.BindOptions],
    ["tmpfs", mount.TmpfsOptions],
  ];
  const mixed = own.find(([type, options]) => options !== undefined && mount.Type !== type);
  if (mixed) throw new Error(`cannot mix '${mixed[0]}-*' options with mount type '${mount.Type}'`);
  const bind = mount.BindOptions;
  const also = (what: string, needed: string) =>
    new Error(`option 'bind-recursive=${what}' requires '${needed}' to be specified in conjunction`);
  if (bind?.ReadOnlyNonRecursive && !mount.ReadOnly) throw also("writable", "readonly");
  if (bind?.ReadOnlyForceRecursive && !mount.ReadOnly) throw also("readonly", "readonly");
  if (bind?.ReadOnlyForceRecursive && bind.Propagation !== "rprivate") {
    throw also("readonly", "bind-propagation=rprivate");
  }
}

function boolOf(key: string, value: string): boolean {
  try {
    return parseBool(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

function sizeOf(key: string, value: string): number {
  try {
    return parseBytes(value);
  } catch {
    throw new Error(`invalid value for ${key}: ${value}`);
  }
}

export interface VolumeArgs {
  readonly binds: string[];
  /** Anonymous volumes, by path. */
  readonly volumes: Record<string, object>;
}

/** `-v` values: `path` is an anonymous volume, `source:path[:options]` a bind; relative sources are made absolute. */
export function parseVolumes(values: readonly string[]): VolumeArgs {
  const binds: string[] = [];
  const volumes: Record<string, object> = {};
  for (const value of new Set(values)) {
    const parts = value.split(":");
    if (value === "") throw new Error("invalid empty volume spec");
    if (value.length > 2 && parts.includes(""))
      throw new Error(`invalid spec: ${value}: empty section between colons`);
    if (parts.length > 3) throw new Error(`invalid spec: ${value}: too many colons`);
    const [source = "", ...rest] = parts;
    if (rest.length === 0 || value.length <= 2) volumes[value] = {};
    else
      binds.push(
        [source.startsWith(".") && !isAbsolute(source) ? resolve(source) : source, ...rest].join(":"),
      );
  }
  return { binds, volumes };
}
