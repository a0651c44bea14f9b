// How a sandbox comes to be: its netns and settings, then its endpoints; on failure nothing is left.

import { newId } from "../util/ids.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { ReadyNetns } from "./netns-pool.ts";
import type { Sandbox } from "./sandbox.ts";
import type { Sandboxes } from "./sandboxes.ts";
import type { SandboxSpec } from "./types.ts";

/** Makes a container's sandbox with all its endpoints. One that is left over from an earlier run goes first. */
export async function createSandbox(
  parts: ControllerParts,
  sandboxes: Sandboxes,
  spec: SandboxSpec,
): Promise<Sandbox> {
  await sandboxes.get(spec.containerId)?.delete();
  const { id, netns } =
    spec.netns === "own" ? await takeNetns(parts, spec) : { id: newId(), netns: undefined };
  const sandbox = sandboxes.open({ id, netnsPath: netns?.path ?? parts.hostNetns, spec }, netns);
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

async function takeNetns(parts: ControllerParts, spec: SandboxSpec): Promise<ReadyNetns> {
  const ready = await parts.netnsPool.take();
  try {
    await ready.netns.writeSysctls(networkSysctls(spec.sysctls));
    return ready;
  } catch (error) {
    await ready.netns.remove();
    throw error;
  }
}

/** Those of the netns; the runtime writes the others. */
function networkSysctls(sysctls: SandboxSpec["sysctls"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sysctls).filter(([key]) => key.startsWith("net.") || key.startsWith("net/")),
  );
}
