// The exec operations.

import { createExec, findExec, resizeExec, startExec, startExecDetached, viewExec } from "./exec.ts";
import type { EngineContext } from "./parts.ts";
import type { ExecOperations } from "./types.ts";

export function execOperations(context: EngineContext): ExecOperations {
  return {
    create: async (ref, spec) => createExec(context, context.registry.find(ref), spec),
    async inspect(id) {
      const { container, execution } = findExec(context, id);
      return viewExec(container, execution);
    },
    start: (id, request, signal) => startExec(context, id, { request, signal }),
    startDetached: (id) => startExecDetached(context, id),
    resize: (id, size) => resizeExec(context, id, size),
  };
}
