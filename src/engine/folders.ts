// Where the engine keeps files on the host.

import { join } from "node:path";
import type { EngineContext } from "./parts.ts";

/** Folder of a container's files on the host. */
export function containerFolder(context: EngineContext, id: string): string {
  return join(context.settings.dataRoot, "containers", id);
}
