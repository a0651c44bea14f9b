// What a user sets of a plugin: values of its config.json that it lets be set (moby's plugin/v2/settable.go).

import { invalid } from "../util/errors.ts";
import type { PluginConfig, PluginDevice, PluginMount } from "./config.ts";

export interface PluginSettings {
  readonly Args: readonly string[];
  readonly Devices: readonly PluginDevice[];
  /** `NAME=value`. */
  readonly Env: readonly string[];
  readonly Mounts: readonly PluginMount[];
}

/** Those that it comes with. */
export function defaultSettings({ Args, Env, Mounts, Linux }: PluginConfig): PluginSettings {
  return {
    Args: Args.Value ?? [],
    Devices: Linux.Devices ?? [],
    Env: (Env ?? []).flatMap(({ Name, Value }) => (Value === null ? [] : [`${Name}=${Value}`])),
    Mounts: Mounts ?? [],
  };
}

interface Wish {
  readonly name: string;
  readonly field: string;
  readonly value: string;
}

/** The settings with `NAME=value`, `NAME.field=value` laid over. @throws invalid, and then nothing is set */
export function withSettings(
  config: PluginConfig,
  settings: PluginSettings,
  wishes: readonly string[],
): PluginSettings {
  return wishes.map(parseWish).reduce((changed, wish) => withOne(config, changed, wish), settings);
}

function parseWish(text: string): Wish {
  const equals = text.indexOf("=");
  if (text === "" || equals === 0)
    throw invalid("invalid format, must be <setting>[.<field>][=<value>]: the name is missing");
  const [key, value] = equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
  const dot = key.lastIndexOf(".");
  return dot > 0
    ? { name: key.slice(0, dot), field: key.slice(dot + 1), value }
    : { name: key, field: "", value };
}

function withOne(config: PluginConfig, settings: PluginSettings, wish: Wish): PluginSettings {
  const { name, value } = wish;
  const named = <T extends { readonly Name: string }>(list: readonly T[]) =>
    list.find(({ Name }) => Name === name);
  const env = named(config.Env ?? []);
  if (env) {
    checkSettable(wish, env.Settable, "value");
    const others = settings.Env.filter((entry) => !entry.startsWith(`${name}=`));
    return { ...settings, Env: [...others, `${name}=${value}`] };
  }
  const mount = named(config.Mounts ?? []);
  if (mount) {
    checkSettable(wish, mount.Settable, "source");
    return {
      ...settings,
      Mounts: settings.Mounts.map((one) => (one.Name === name ? { ...one, Source: value } : one)),
    };
  }
  const device = named(config.Linux.Devices ?? []);
  if (device) {
    checkSettable(wish, device.Settable, "path");
    return {
      ...settings,
      Devices: settings.Devices.map((one) => (one.Name === name ? { ...one, Path: value } : one)),
    };
  }
  if (config.Args.Name !== name || name === "")
    throw invalid(`setting ${JSON.stringify(name)} not found in the plugin configuration`);
  checkSettable(wish, config.Args.Settable, "value");
  return { ...settings, Args: value.split(" ").filter((word) => word !== "") };
}

/** `field` is the one that can be set of such a thing at all. */
function checkSettable(wish: Wish, settable: readonly string[] | null, field: string): void {
  const isField = wish.field === "" || wish.field === field;
  if (isField && settable?.includes(field)) return;
  const name = wish.field === "" ? wish.name : `${wish.name}.${wish.field}`;
  throw invalid(`${JSON.stringify(name)} is not settable`);
}
