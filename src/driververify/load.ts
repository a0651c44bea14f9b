// From what a person types to what is verified: a file, a folder, a package, a socket.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { loadDriverModule } from "../driverkit/index.ts";
import { invalid } from "../util/errors.ts";
import { openPlugin } from "./stages/plugin-stage.ts";
import type { Subject } from "./subject.ts";

export interface LoadOptions {
  /** Absent: all that it is. */
  readonly kind?: "network" | "ipam";
  /** Where a plugin acts; see `PluginPlace`. */
  readonly netns?: string;
  /** The machine is in a cluster of its own. */
  readonly inCluster?: boolean;
  /** Where relative paths and packages are looked for. */
  readonly from: string;
}

/** All that is to be verified of it: a plugin or a module may be both. @throws invalid, not-found in words that say what is missing */
export async function loadSubjects(named: string, options: LoadOptions): Promise<readonly Subject[]> {
  const path = resolve(options.from, named);
  const found = await stat(path).catch(() => undefined);
  if (found?.isSocket()) return await ofPlugin(path, options);
  if (/\.sock$/.test(named)) throw invalid(`${named}: there is no such socket`);
  // as a person types it in a shell; a package of that name is found all the same
  return await ofModule(found ? path : named, options);
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

/** As a daemon loads it, so that what is verified is what would run. */
async function ofModule(spec: string, { kind, inCluster, from }: LoadOptions): Promise<Subject[]> {
  const { default: factory, createIpam, traits, path } = await loadDriverModule(spec, { from });
  const own = traits && { traits };
  const subjects: Subject[] = [
    ...(factory && kind !== "ipam"
      ? [{ kind: "network" as const, factory, ...own, ...(inCluster && { inCluster }) }]
      : []),
    ...(createIpam && kind !== "network" ? [{ kind: "ipam" as const, factory: createIpam, ...own }] : []),
  ];
  if (subjects.length > 0) return subjects;
  throw invalid(
    `${path}: it is no ${kind} driver: ${kind === "ipam" ? "createIpam" : "a default export"} is missing`,
  );
}
