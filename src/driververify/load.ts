// From what a person types to what is verified: a file, a folder, a package, a socket.

import { stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { IpamDriverFactory, NetworkDriverFactory } from "../driverapi/index.ts";
import { errorMessage, invalid } from "../util/errors.ts";
import type { Subject } from "./session.ts";
import { openPlugin } from "./stages/plugin-stage.ts";

export interface LoadOptions {
  /** Absent: of a plugin what it says that it is; of a module what it exports. */
  readonly kind?: "network" | "ipam";
  /** Where a plugin acts; see `PluginPlace`. */
  readonly netns?: string;
  /** The machine is in a cluster of its own. */
  readonly inCluster?: boolean;
  /** Where relative paths and packages are looked for. */
  readonly from: string;
}

/** All that is to be verified of it: a plugin may be both. @throws invalid in words that say what is missing */
export async function loadSubjects(named: string, options: LoadOptions): Promise<readonly Subject[]> {
  const path = resolve(options.from, named);
  const found = await stat(path).catch(() => undefined);
  if (found?.isSocket()) return await ofPlugin(path, options);
  if (/\.sock$/.test(named)) throw invalid(`${named}: there is no such socket`);
  const file = found ? fileOf(path, found.isDirectory()) : packageFile(named, options.from);
  return await ofModule(file, options);
}

async function ofPlugin(path: string, { kind, netns }: LoadOptions): Promise<Subject[]> {
  const plugin = await openPlugin({ path });
  plugin.close();
  const place = { path, ...(netns !== undefined && { netns }) };
  const has = (word: string, own: LoadOptions["kind"]) => plugin.kinds.has(word) && (kind ?? own) === own;
  const subjects: Subject[] = [
    ...(has("NetworkDriver", "network") ? [{ kind: "network plugin" as const, ...place }] : []),
    ...(has("IpamDriver", "ipam") ? [{ kind: "ipam plugin" as const, ...place }] : []),
  ];
  if (subjects.length > 0) return subjects;
  throw invalid(
    `${path}: the plugin is no ${kind ?? "network or IPAM"} driver: it implements ${[...plugin.kinds].join(", ") || "nothing"}`,
  );
}

/** The file of a folder that package.json names, or index.ts, index.js. */
function fileOf(path: string, isFolder: boolean): string {
  if (!isFolder) return path;
  const resolver = createRequire(join(path, "package.json"));
  for (const name of [path, join(path, "index.ts"), join(path, "index.mjs")]) {
    try {
      return resolver.resolve(name);
    } catch {
      // the next one
    }
  }
  throw invalid(`${path}: neither a package.json that names a file nor an index.ts`);
}

function packageFile(name: string, from: string): string {
  try {
    return createRequire(join(from, "package.json")).resolve(name);
  } catch (error) {
    throw invalid(
      `${name}: neither a file, a folder, a socket nor a package that is installed here: ${errorMessage(error)}`,
    );
  }
}

/** A driver package may be both: a network driver by its default export, an IPAM driver by `createIpam`. */
async function ofModule(file: string, { kind, inCluster }: LoadOptions): Promise<Subject[]> {
  const loaded: unknown = await import(pathToFileURL(file).href).catch((error: unknown) => {
    throw invalid(`${file}: ${errorMessage(error)}`, error);
  });
  const own = factoryOf(loaded);
  const createIpam = ipamFactoryOf(loaded) ?? (kind === "ipam" ? own : undefined);
  const subjects: Subject[] = [
    ...(own && kind !== "ipam"
      ? [{ kind: "network" as const, factory: own as NetworkDriverFactory, ...(inCluster && { inCluster }) }]
      : []),
    ...(createIpam && kind !== "network"
      ? [{ kind: "ipam" as const, factory: createIpam as IpamDriverFactory }]
      : []),
  ];
  if (subjects.length > 0) return subjects;
  throw invalid(`${file}: no default export that is a function: a driver's factory`);
}

function ipamFactoryOf(loaded: unknown): unknown {
  const isThere = typeof loaded === "object" && loaded !== null && "createIpam" in loaded;
  return isThere && typeof loaded.createIpam === "function" ? loaded.createIpam : undefined;
}

/** CommonJS that was compiled from a module has its default export one level down. */
function factoryOf(loaded: unknown): unknown {
  const own = defaultOf(loaded);
  const factory = typeof own === "function" ? own : defaultOf(own);
  return typeof factory === "function" ? factory : undefined;
}

function defaultOf(value: unknown): unknown {
  return typeof value === "object" && value !== null && "default" in value ? value.default : undefined;
}
