// The container operations: each is found by its reference and handed to its use case.

import { invalid, notImplemented } from "../util/errors.ts";
import { attachContainer, readLogs, resizeContainer } from "./attach.ts";
import type { Container } from "./container.ts";
import { createContainer } from "./create.ts";
import { matchesContainer } from "./filters.ts";
import { checkName } from "./names.ts";
import type { EngineContext } from "./parts.ts";
import { changePorts } from "./ports.ts";
import { noSuchContainer } from "./registry.ts";
import { pruneContainers, removeContainer } from "./remove.ts";
import { restartContainer } from "./restart.ts";
import { startContainer } from "./start.ts";
import { containerStats, processTable } from "./stats.ts";
import { killContainer, pauseContainer, stopContainer, unpauseContainer } from "./stop.ts";
import type { ContainerOperations, ContainerQuery, ContainerView } from "./types.ts";
import { updateContainer } from "./update.ts";
import { viewContainer, withSizes } from "./view.ts";
import { waitFor } from "./wait.ts";

export function containerOperations(context: EngineContext): ContainerOperations {
  const find = (ref: string) => context.registry.find(ref);
  return {
    create: (spec) => createContainer(context, spec),
    list: (query) => listContainers(context, query),
    inspect: (ref, options) => inspectContainer(context, ref, { withSize: options?.size ?? false }),
    start: async (ref) => startContainer(context, find(ref)),
    stop: async (ref, options) => stopContainer(context, find(ref), options),
    restart: async (ref, options) => restartContainer(context, find(ref), options),
    kill: async (ref, signal) => killContainer(context, find(ref), signal),
    pause: async (ref) => pauseContainer(context, find(ref)),
    unpause: async (ref) => unpauseContainer(context, find(ref)),
    rename: async (ref, name) => renameContainer(context, find(ref), name),
    update: async (ref, changes) => updateContainer(context, find(ref), changes),
    changePorts: async (ref, changes) => changePorts(context, find(ref), changes),
    async remove(ref, options) {
      if (options.link)
        throw notImplemented("removing a legacy link is not supported: remove the container instead");
      await removeContainer(context, find(ref), options);
    },
    prune: (filters) => pruneContainers(context, filters),
    wait: async (ref, condition, signal) => waitFor(find(ref), condition, signal),
    attach: async (ref, request, signal) => attachContainer(context, find(ref), { request, signal }),
    logs: async (ref, query, signal) => readLogs(find(ref), query, signal),
    resize: async (ref, size) => resizeContainer(find(ref), size),
    top: async (ref, psArguments) => processTable(find(ref), psArguments),
    stats: async (ref, signal) => containerStats(context, find(ref), signal),
  };
}

async function inspectContainer(
  context: EngineContext,
  ref: string,
  { withSize }: { readonly withSize: boolean },
): Promise<ContainerView> {
  const view = viewContainer(context, context.registry.find(ref));
  if (!withSize) return view;
  const [sized] = await withSizes(context, [view]);
  if (!sized) throw noSuchContainer(ref);
  return sized;
}

async function listContainers(context: EngineContext, query: ContainerQuery): Promise<ContainerView[]> {
  const { registry, images } = context;
  const surroundings = {
    createdAt: (ref: string) => registry.find(ref).record.createdAt,
    imageIds: (ref: string) => [images.find(ref)?.id ?? ref],
  };
  const impliesAll = query.filters.has("status") || query.filters.has("exited") || query.limit !== undefined;
  const newestFirst = registry
    .all()
    .sort((a, b) => b.record.createdAt.getTime() - a.record.createdAt.getTime());
  const shown = newestFirst
    .filter((container) => query.all || impliesAll || container.isRunning || container.isRestarting)
    .slice(0, query.limit)
    .map((container) => viewContainer(context, container))
    .filter((view) => matchesContainer(view, query.filters, surroundings));
  return query.size ? await withSizes(context, shown) : shown;
}

async function renameContainer(context: EngineContext, container: Container, name: string): Promise<void> {
  const wanted = name.replace(/^\//, "");
  if (wanted === "") throw invalid("Neither old nor new names may be empty");
  checkName(wanted);
  const { registry } = context;
  await context.locks.run(container.id, async () => {
    const oldName = container.name;
    if (registry.get(container.id) !== container) throw noSuchContainer(oldName);
    if (wanted === oldName) throw invalid("Renaming a container with the same name as its current name");
    registry.claimName(wanted, container.id);
    try {
      await container.running?.sandbox?.rename(wanted);
    } catch (error) {
      registry.releaseName(wanted, container.id);
      throw error;
    }
    const { spec } = container.record;
    await registry.change(container, { name: wanted, spec: { ...spec, name: wanted } });
    registry.releaseName(oldName, container.id);
    context.events.publish("container", "rename", container.id, {
      ...container.attributes,
      oldName: `/${oldName}`,
    });
  });
}
