// How a sandbox comes to be: its netns and settings, then its endpoints; on failure nothing is left.

import { join } from "node:path";
import { newId, shortId } from "../util/ids.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Netns } from "./netns.ts";
import { Sandbox } from "./sandbox.ts";
import type { SandboxSpec } from "./types.ts";

/** Docker's settings for a container with a netns of its own: ping and ports below 1024 need no privilege. */
const ownSysctls = {
  "net.ipv4.ip_unprivileged_port_start": "0",
  "net.ipv4.ping_group_range": "0 2147483647",
} as const;

/** Makes a container's sandbox with all its endpoints. One that is left over from an earlier run goes first. */
export async function createSandbox(parts: ControllerParts, spec: SandboxSpec): Promise<Sandbox> {
  await parts.sandboxes.get(spec.containerId)?.delete();
  const id = newId();
  const netns = spec.netns === "own" ? await createNetns(parts, id, spec) : undefined;
  const sandbox = new Sandbox(parts, { id, netnsPath: netns?.path ?? parts.hostNetns, spec }, netns);
  parts.sandboxes.set(spec.containerId, sandbox);
  try {
    // without endpoints yet its files must be there all the same: a runtime mounts them while it is wired
    if (spec.endpoints.length > 0) await sandbox.connectAll(spec.endpoints);
    else await sandbox.writeFiles();
    return sandbox;
  } catch (error) {
    await sandbox.delete();
    throw error;
  }
}

async function createNetns(parts: ControllerParts, id: string, spec: SandboxSpec): Promise<Netns> {
  const netns = await parts.netns.create(join(parts.netnsFolder, shortId(id)));
  try {
    await netns.writeSysctls({ ...ownSysctls, ...networkSysctls(spec.sysctls) });
    return netns;
  } catch (error) {
    await netns.remove();
    throw error;
  }
}

/** Those of the netns; the runtime writes the others. */
function networkSysctls(sysctls: SandboxSpec["sysctls"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sysctls).filter(([key]) => key.startsWith("net.") || key.startsWith("net/")),
  );
}
