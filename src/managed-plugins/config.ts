// What a managed plugin says of itself: its config.json, read as Docker reads it (api/types/plugin), and what follows
// from it. In Docker's spelling, since clients see it as it is.

import { errorMessage, invalid } from "../util/errors.ts";

type Texts = readonly string[] | null;

export interface PluginEnv {
  readonly Name: string;
  readonly Description: string;
  readonly Settable: Texts;
  readonly Value: string | null;
}

export interface PluginMount {
  readonly Name: string;
  readonly Description: string;
  readonly Settable: Texts;
  /** null: to be set before it is enabled. */
  readonly Source: string | null;
  readonly Destination: string;
  readonly Type: string;
  readonly Options: Texts;
}

export interface PluginDevice {
  readonly Name: string;
  readonly Description: string;
  readonly Settable: Texts;
  readonly Path: string | null;
}

export interface PluginConfig {
  readonly Args: {
    readonly Name: string;
    readonly Description: string;
    readonly Settable: Texts;
    readonly Value: Texts;
  };
  readonly Description: string;
  readonly DockerVersion?: string;
  readonly Documentation: string;
  readonly Entrypoint: readonly string[];
  readonly Env: readonly PluginEnv[] | null;
  readonly Interface: {
    /** `docker.networkdriver/1.0`. */
    readonly Types: readonly string[];
    readonly Socket: string;
    readonly ProtocolScheme?: string;
  };
  readonly IpcHost: boolean;
  readonly Linux: {
    readonly AllowAllDevices: boolean;
    readonly Capabilities: Texts;
    readonly Devices: readonly PluginDevice[] | null;
  };
  readonly Mounts: readonly PluginMount[] | null;
  readonly Network: { readonly Type: string };
  readonly PidHost: boolean;
  readonly PropagatedMount: string;
  readonly User: { readonly UID?: number; readonly GID?: number };
  readonly WorkDir: string;
  readonly rootfs?: { readonly type: string; readonly diff_ids: readonly string[] };
}

/** What a plugin may do beyond a container, as the user is asked about it. */
export interface Privilege {
  readonly Name: string;
  readonly Description: string;
  readonly Value: readonly string[];
}

/** Reads config.json. @throws invalid */
export function parsePluginConfig(text: string): PluginConfig {
  const root = reader(readJson(text), "config");
  const config = toConfig(root);
  if (config.Entrypoint.length === 0) throw invalid("plugin config: entrypoint is missing");
  const { Socket, Types, ProtocolScheme } = config.Interface;
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(Socket))
    throw invalid(`plugin config: interface.socket: ${JSON.stringify(Socket)} is no name of a socket`);
  if (ProtocolScheme && ProtocolScheme !== "moby.plugins.http/v1")
    throw invalid(`plugin config: interface.protocolScheme: ${ProtocolScheme} is not supported`);
  const bad = Types.find((type) => !/^[a-z]+\.[a-z]+\/[0-9.]+$/.test(type));
  if (bad !== undefined)
    throw invalid(`plugin config: interface.types: ${bad} is no prefix.capability/version`);
  return config;
}

function toConfig(root: Reader): PluginConfig {
  const [args, face, linux] = [root.child("Args"), root.child("Interface"), root.child("Linux")];
  const [rootfs, user] = [root.child("rootfs"), root.child("User")];
  const version = root.text("DockerVersion");
  const scheme = face.text("ProtocolScheme");
  return {
    Args: { ...describe(args), Value: args.textsOrNull("Value") },
    Description: root.text("Description"),
    ...(version && { DockerVersion: version }),
    Documentation: root.text("Documentation"),
    Entrypoint: root.texts("Entrypoint"),
    Env: root.childrenOrNull("Env", (env) => ({ ...describe(env), Value: env.textOrNull("Value") })),
    Interface: {
      Types: face.texts("Types"),
      Socket: face.text("Socket"),
      ...(scheme && { ProtocolScheme: scheme }),
    },
    IpcHost: root.flag("IpcHost"),
    Linux: {
      AllowAllDevices: linux.flag("AllowAllDevices"),
      Capabilities: linux.textsOrNull("Capabilities"),
      Devices: linux.childrenOrNull("Devices", (device) => ({
        ...describe(device),
        Path: device.textOrNull("Path"),
      })),
    },
    Mounts: root.childrenOrNull("Mounts", toMount),
    Network: { Type: root.child("Network").text("Type") },
    PidHost: root.flag("PidHost"),
    PropagatedMount: root.text("PropagatedMount"),
    User: { ...user.id("UID"), ...user.id("GID") },
    WorkDir: root.text("WorkDir"),
    ...(root.has("rootfs") && { rootfs: { type: rootfs.text("type"), diff_ids: rootfs.texts("diff_ids") } }),
  };
}

function toMount(mount: Reader): PluginMount {
  return {
    ...describe(mount),
    Source: mount.textOrNull("Source"),
    Destination: mount.text("Destination"),
    Type: mount.text("Type"),
    Options: mount.textsOrNull("Options"),
  };
}

function describe(part: Reader): { Name: string; Description: string; Settable: Texts } {
  return {
    Name: part.text("Name"),
    Description: part.text("Description"),
    Settable: part.textsOrNull("Settable"),
  };
}

/** What installing it grants (moby's computePrivileges). */
export function privilegesOf(config: PluginConfig): readonly Privilege[] {
  const { Network, IpcHost, PidHost, Mounts, Linux } = config;
  const asks = (is: boolean, Name: string, Description: string, Value: readonly string[]): Privilege[] =>
    is ? [{ Name, Description, Value }] : [];
  const paths = (values: readonly (string | null)[]) =>
    values.flatMap((value) => (value === null ? [] : [[value]]));
  return [
    ...asks(!["", "null", "bridge"].includes(Network.Type), "network", "permissions to access a network", [
      Network.Type,
    ]),
    ...asks(IpcHost, "host ipc namespace", "allow access to host ipc namespace", ["true"]),
    ...asks(PidHost, "host pid namespace", "allow access to host pid namespace", ["true"]),
    ...paths((Mounts ?? []).map(({ Source }) => Source)).flatMap((value) =>
      asks(true, "mount", "host path to mount", value),
    ),
    ...paths((Linux.Devices ?? []).map(({ Path }) => Path)).flatMap((value) =>
      asks(true, "device", "host device to access", value),
    ),
    ...asks(Linux.AllowAllDevices, "allow-all-devices", "allow 'rwm' access to all devices", ["true"]),
    ...asks(
      (Linux.Capabilities ?? []).length > 0,
      "capabilities",
      "list of additional capabilities required",
      Linux.Capabilities ?? [],
    ),
  ];
}

/** Whether what was granted is what it asks for, in whatever order. */
export function isGranted(config: PluginConfig, granted: readonly Privilege[]): boolean {
  const sorted = (privileges: readonly Privilege[]) =>
    privileges.map(({ Name, Value }) => JSON.stringify([Name, [...Value].toSorted()])).toSorted();
  return JSON.stringify(sorted(privilegesOf(config))) === JSON.stringify(sorted(granted));
}

/** `networkdriver` of `docker.networkdriver/1.0`: others' prefixes mean nothing to us. */
export function capabilitiesOf({ Interface: { Types } }: PluginConfig): readonly string[] {
  return Types.flatMap((type) => /^docker\.([a-z]+)\//.exec(type)?.[1] ?? []);
}

const kinds: Readonly<Record<string, string>> = {
  networkdriver: "NetworkDriver",
  ipamdriver: "IpamDriver",
  volumedriver: "VolumeDriver",
  logdriver: "LogDriver",
  metricscollector: "MetricsCollector",
};

/** The same in the words in which other plugins answer Plugin.Activate. */
export function kindsOf(config: PluginConfig): ReadonlySet<string> {
  return new Set(capabilitiesOf(config).map((capability) => kinds[capability] ?? capability));
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`plugin config: ${errorMessage(error)}`, error);
  }
}

/** Fields by name in any case, as Go reads them; null is "not there". */
interface Reader {
  has(key: string): boolean;
  text(key: string): string;
  textOrNull(key: string): string | null;
  texts(key: string): readonly string[];
  textsOrNull(key: string): readonly string[] | null;
  flag(key: string): boolean;
  /** `{UID: 7}`, or nothing. */
  id(key: "UID" | "GID"): object;
  child(key: string): Reader;
  childrenOrNull<T>(key: string, read: (child: Reader) => T): readonly T[] | null;
}

function reader(value: unknown, at: string): Reader {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(`plugin config: ${at} is no object`);
  const fields = new Map(Object.entries(value).map(([key, item]) => [key.toLowerCase(), item as unknown]));
  const read = <T>(key: string, is: (item: unknown) => item is T, what: string): T | null => {
    const item = fields.get(key.toLowerCase()) ?? null;
    if (item === null || is(item)) return item;
    throw invalid(`plugin config: ${at}.${key} is no ${what}`);
  };
  const list = (key: string) => read(key, Array.isArray, "list");
  const texts = (key: string) => list(key)?.map((item) => asText(item, `${at}.${key}`)) ?? null;
  return {
    has: (key) => (fields.get(key.toLowerCase()) ?? null) !== null,
    text: (key) => read(key, isText, "text") ?? "",
    textOrNull: (key) => read(key, isText, "text"),
    texts: (key) => texts(key) ?? [],
    textsOrNull: texts,
    flag: (key) => read(key, (item) => typeof item === "boolean", "boolean") ?? false,
    id(key) {
      const id = read(key, isWhole, "number");
      return id === null ? {} : { [key]: id };
    },
    child: (key) => reader(fields.get(key.toLowerCase()) ?? {}, `${at}.${key}`),
    childrenOrNull: (key, readChild) =>
      list(key)?.map((item, index) => readChild(reader(item, `${at}.${key}[${index}]`))) ?? null,
  };
}

const isWhole = (item: unknown): item is number => Number.isInteger(item);
const isText = (item: unknown): item is string => typeof item === "string";

function asText(item: unknown, at: string): string {
  if (isText(item)) return item;
  throw invalid(`plugin config: ${at}: not all of it is text`);
}
