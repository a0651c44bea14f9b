// Plugins that the daemon runs itself: where they run, and when in its life they come and go.

import type { ManagedPlugins, PluginGround } from "../managed-plugins/index.ts";
import { type Containerd, connectContainerd, readHostFacts } from "../runtime/index.ts";
import { errorMessage } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { Undo } from "../util/undo.ts";
import { runtimeOn } from "./build-engine.ts";
import type { Config } from "./config.ts";
import type { Leaving } from "./leaving.ts";

interface Surroundings {
  readonly containerd: Containerd;
  readonly leaving: Leaving;
  readonly log: Log;
  readonly undo: Undo;
}

/**
 * Brings back those that are enabled, beside the network: what a network wants of its plugin waits for it. They end after
 * the containers, and before containerd.
 */
export async function beginPlugins(
  managed: ManagedPlugins,
  config: Config,
  { containerd, leaving, log, undo }: Surroundings,
): Promise<void> {
  undo.defer("end plugins", () => managed.close({ stays: leaving.keeps }));
  const open = () => openGround(containerd, config, log);
  await managed.begin(open, { adopts: leaving.keeps }).catch((error) => {
    log.error({ reason: errorMessage(error) }, "cannot bring plugins back");
  });
}

/** A namespace of their own, as Docker's `plugins.moby`: nobody takes them for containers. */
async function openGround(
  { address, namespace }: Containerd,
  config: Config,
  log: Log,
): Promise<PluginGround> {
  const containerd = await connectContainerd({ address, namespace: `plugins.${namespace}`, log });
  return {
    containerd,
    runtime: runtimeOn(containerd, config, { folder: "plugin-streams" }),
    host: await readHostFacts(),
    outlives: config.liveRestore,
  };
}
