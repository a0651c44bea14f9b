// A chain of plugins run for one attachment, each on the result of the one before.

import type { Host } from "../../src/driverapi/index.ts";
import { internal } from "../../src/util/errors.ts";
import { type ChainConf, hasCapability, isObject, type Json, type PluginConf } from "./conf.ts";
import { type Command, callPlugin, type Place, type Subject } from "./plugin.ts";
import { isSpoken } from "./versions.ts";

/** A chain as a network has it: all that running it needs, on record too. */
export interface Chain extends Place {
  readonly conf: ChainConf;
  readonly cniVersion: string;
}

/** What the runtime knows, by capability: a plugin gets those that its author declares. */
export interface RuntimeConfig {
  readonly mac?: string;
  readonly ips?: readonly string[];
  readonly portMappings?: readonly PortMapping[];
}

/** As the capability `portMappings` has it. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIP?: string;
}

/** One attachment's part in a run. */
export interface Run {
  readonly subject: Subject;
  readonly runtime: RuntimeConfig;
  /** Of the ADD; absent: it is not known. */
  readonly result?: Json;
}

type Hands = Pick<Host, "programs">;

/** Which plugins of a chain a command is for. */
export type Part = "links" | "ports";

/**
 * The plugins that publish ports go by themselves: which ports are a container's to publish here is known only when it has
 * joined, and changes while it runs. The first plugin makes the link, whatever else it may do.
 */
export function pluginsOf({ conf }: Chain, part: Part): readonly PluginConf[] {
  const isForPorts = (plugin: PluginConf, at: number) => at > 0 && hasCapability(plugin, "portMappings");
  return conf.plugins.filter((plugin, at) => isForPorts(plugin, at) === (part === "ports"));
}

/** Runs ADD down the chain. @throws what the first plugin that fails throws: a DEL is the caller's to run */
export async function addChain(hands: Hands, chain: Chain, part: Part, run: Run): Promise<Json> {
  let { result } = run;
  for (const plugin of pluginsOf(chain, part)) {
    result = await call(hands, chain, "ADD", { plugin, run: { ...run, ...(result && { result }) } });
    if (!result) throw internal(`CNI plugin ${plugin.type}: ADD: no result`);
  }
  return result ?? {};
}

/** Runs DEL up the chain, to its end also when some fail. @throws what the first that failed threw */
export async function deleteChain(hands: Hands, chain: Chain, part: Part, run: Run): Promise<void> {
  const failures: unknown[] = [];
  for (const plugin of pluginsOf(chain, part).toReversed()) {
    try {
      await call(hands, chain, "DEL", { plugin, run });
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Runs CHECK down the chain, where the version has it and the author does not forbid it. @throws what is not as it should be */
export async function checkChain(hands: Hands, chain: Chain, part: Part, run: Run): Promise<void> {
  if (!isSpoken("CHECK", chain.cniVersion) || chain.conf.disableCheck || !run.result) return;
  const checked = { ...run, result: withoutDefaults(run.result) };
  for (const plugin of pluginsOf(chain, part)) await call(hands, chain, "CHECK", { plugin, run: checked });
}

/** Default routes are the sandbox's, and may lead by another network. */
function withoutDefaults(result: Json): Json {
  const { routes } = result;
  if (!Array.isArray(routes)) return result;
  return {
    ...result,
    routes: routes.filter((route) => !isObject(route) || !String(route.dst).endsWith("/0")),
  };
}

/** Asks whether the plugins are ready for an ADD, where the version has that. @throws what keeps one from it */
export async function checkReady(hands: Hands, chain: Chain): Promise<void> {
  if (!isSpoken("STATUS", chain.cniVersion)) return;
  for (const plugin of chain.conf.plugins) await call(hands, chain, "STATUS", { plugin });
}

/** Tells plugins which attachments there are, where the version has that and the author does not forbid it. */
export async function collectGarbage(
  hands: Hands,
  chain: Chain,
  valid: readonly Pick<Subject, "containerId" | "ifName">[],
): Promise<void> {
  if (!isSpoken("GC", chain.cniVersion) || chain.conf.disableGc) return;
  const attachments = valid.map(({ containerId, ifName }) => ({ containerID: containerId, ifname: ifName }));
  const more = { "cni.dev/valid-attachments": attachments };
  for (const plugin of chain.conf.plugins) await call(hands, chain, "GC", { plugin, more });
}

interface Step {
  readonly plugin: PluginConf;
  readonly run?: Run;
  /** Further keys of what the plugin reads. */
  readonly more?: Json;
}

async function call(
  hands: Hands,
  chain: Chain,
  command: Command,
  { plugin, run, more }: Step,
): Promise<Json | undefined> {
  const { capabilities: _, ...own } = plugin;
  const runtimeConfig = run && runtimeFor(plugin, run.runtime);
  return await callPlugin(hands, chain, {
    command,
    type: plugin.type,
    conf: {
      ...own,
      cniVersion: chain.cniVersion,
      name: chain.conf.name,
      ...(runtimeConfig && { runtimeConfig }),
      ...(run?.result && { prevResult: run.result }),
      ...more,
    },
    ...(run && { subject: run.subject }),
  });
}

function runtimeFor(plugin: PluginConf, runtime: RuntimeConfig): Json | undefined {
  const entries = Object.entries(runtime).filter(([name]) => hasCapability(plugin, name));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}
