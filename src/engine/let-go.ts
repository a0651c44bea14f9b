// The daemon ends and its containers go on: each is let go of between two steps of whatever is done to it.

import type { Container } from "./container.ts";
import type { EngineContext } from "./parts.ts";

/** Lets go of every container. `gone` is called when no step is under way any more: what is seen afterwards is not ours. */
export async function letGoOfAll(context: EngineContext, gone: () => void): Promise<void> {
  const all = context.registry.all();
  for (const container of all) {
    container.health?.stop();
    clearTimeout(container.restartTimer);
    container.restartTimer = undefined;
  }
  // a start, an end or a removal that has begun is brought to its end first
  await Promise.all(all.map(({ id }) => context.locks.run(id, () => undefined)));
  gone();
  for (const container of all) letGo(container);
  await Promise.all(all.map((container) => container.log?.close()));
}

/** Its output stays in the pipes from now on; what was read of it is in the log. */
function letGo(container: Container): void {
  for (const { streams, process } of container.executions.values()) {
    streams.release();
    process?.stdio.release();
  }
  container.streams.release();
  container.running?.task.stdio.release();
  container.running = undefined;
}
