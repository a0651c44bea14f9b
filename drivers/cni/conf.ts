// CNI configurations: a file's or a text's JSON, or `-o` keys, read into one chain of plugins. Nothing is run here.

import { errorMessage, invalid } from "../../src/util/errors.ts";

export type Json = Readonly<Record<string, unknown>>;

/** One plugin of a chain, as its author wrote it. */
export interface PluginConf extends Json {
  readonly type: string;
}

/** What a network's containers go through. */
export interface ChainConf {
  readonly name: string;
  /** Absent: whatever all of its plugins speak. */
  readonly cniVersions?: readonly string[];
  readonly disableCheck: boolean;
  readonly disableGc: boolean;
  readonly plugins: readonly PluginConf[];
}

/** The spec's rule for names of networks and containers. */
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Reads a plugin's configuration or a list of them (`.conf`, `.conflist`). `defaultName` is for one without a name.
 * @throws invalid, with `source` in front
 */
export function parseConf(
  text: string,
  { source, defaultName }: { readonly source: string; readonly defaultName: string },
): ChainConf {
  const wrong = (why: string) => invalid(`${source}: ${why}`);
  const json = readConf(text, wrong);
  const { name = defaultName, cniVersion, cniVersions, disableCheck, disableGC, plugins = [json] } = json;
  if (typeof name !== "string" || !namePattern.test(name))
    throw wrong(`name: ${JSON.stringify(name)} is not a name of a CNI network`);
  if (!Array.isArray(plugins) || plugins.length === 0) throw wrong("plugins: is not a list of plugins");
  const versions = cniVersions ?? (cniVersion === undefined ? undefined : [cniVersion]);
  if (versions !== undefined && !isTexts(versions)) throw wrong("cniVersion: is not a version");
  return {
    name,
    ...(versions && { cniVersions: versions }),
    disableCheck: readFlag(disableCheck),
    disableGc: readFlag(disableGC),
    plugins: plugins.map((plugin, at) => readPlugin(plugin, (why) => wrong(`plugin ${at + 1}: ${why}`))),
  };
}

/**
 * One plugin's configuration from keys and values: `ipam.type` is `type` in the object `ipam`, and a value is JSON where
 * it can be read as such (`true`, `1400`, `["a"]`), else text.
 * @throws invalid where a key is both a value and an object
 */
export function confFromKeys(values: Readonly<Record<string, string>>, prefix: string): Json {
  const entries = Object.entries(values).map(([key, text]) => ({ keys: key.split("."), key, text }));
  return treeOf(entries, 0, prefix);
}

interface KeyedText {
  readonly keys: readonly string[];
  /** The whole. */
  readonly key: string;
  readonly text: string;
}

function treeOf(entries: readonly KeyedText[], depth: number, prefix: string): Json {
  const groups = Map.groupBy(entries, ({ keys }) => keys[depth] ?? "");
  return Object.fromEntries(
    [...groups].map(([head, group]) => {
      const leaf = group.find(({ keys }) => keys.length === depth + 1);
      if (head === "") throw invalid(`${prefix}${group[0]?.key}: is not a key`);
      if (leaf && group.length > 1) throw invalid(`${prefix}${leaf.key}: is a value and has keys of its own`);
      return [head, leaf ? readValue(leaf.text) : treeOf(group, depth + 1, prefix)];
    }),
  );
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function readConf(text: string, wrong: (why: string) => Error): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`is not JSON: ${errorMessage(error)}`);
  }
  if (!isObject(value)) throw wrong("is not a JSON object");
  return value;
}

function readPlugin(plugin: unknown, wrong: (why: string) => Error): PluginConf {
  if (!isObject(plugin)) throw wrong("is not a JSON object");
  const { type, capabilities } = plugin;
  if (typeof type !== "string" || type === "") throw wrong("has no type");
  // it is looked for in folders, and nowhere else
  if (type.includes("/") || type === "." || type === "..")
    throw wrong(`type: ${JSON.stringify(type)} is not the name of a plugin`);
  if (capabilities !== undefined && !isObject(capabilities)) throw wrong("capabilities: is not an object");
  return { ...plugin, type };
}

/** The plugin that a plugin asks for addresses; undefined: none. */
export function ipamTypeOf({ ipam }: PluginConf): string | undefined {
  return isObject(ipam) && typeof ipam.type === "string" && ipam.type !== "" ? ipam.type : undefined;
}

/** Whether the author says that a plugin takes this of the runtime. */
export function hasCapability({ capabilities }: PluginConf, name: string): boolean {
  return isObject(capabilities) && capabilities[name] === true;
}

/** Undefined: it is none. */
export function parseObject(text: string): Json | undefined {
  const value = readValue(text);
  return isObject(value) ? value : undefined;
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}

/** Both forms are seen in the wild, and libcni takes both. */
function readFlag(value: unknown): boolean {
  return value === true || value === "true";
}
