// Managed plugins: the store of plugins, with locks, events, and with the networks that use them.

import {
  capabilitiesOf,
  fullNameOf,
  type PluginRecord,
  passingName,
  pullPlugin,
  pushPlugin,
  readPluginName,
  remotePrivileges,
} from "../managed-plugins/index.ts";
import { conflict } from "../util/errors.ts";
import type { EngineContext } from "./parts.ts";
import type { Filters, JsonObject, PluginOperations, PluginPullRequest, Progress } from "./types.ts";

export type PluginContext = Pick<EngineContext, "plugins" | "locks" | "events"> & {
  readonly controller: Pick<EngineContext["controller"], "networks">;
};

export function pluginOperations(context: PluginContext): PluginOperations {
  const { managed, registry } = context.plugins;
  return {
    list: (filters) =>
      managed
        .list()
        .filter((record) => matches(record, filters))
        .map(documentOf),
    inspect: (ref) => documentOf(managed.get(ref)),
    privileges: (remote, auth, signal) =>
      remotePrivileges(registry, { remote, ...(auth && { auth }) }, signal),
    pull: (request, signal) => pull(context, request, signal),
    async create(name, archive) {
      const record = await managed.create(readPluginName(name), archive);
      tell(context, "create", record);
    },
    enable: (ref, options) =>
      locked(context, ref, async (record) => {
        if (record.isEnabled) throw conflict(`plugin already enabled: plugin ${record.name} is enabled`);
        await managed.enable(record, options);
        tell(context, "enable", record);
      }),
    disable: (ref, { force }) =>
      locked(context, ref, async (record) => {
        if (!record.isEnabled)
          throw conflict(`plugin is already disabled: plugin ${record.name} found but disabled`);
        if (!force) checkUnused(context, record);
        await managed.disable(record);
        tell(context, "disable", record);
      }),
    set: (ref, wishes) =>
      locked(context, ref, async (record) => {
        if (record.isEnabled) throw conflict("cannot set on an active plugin, disable plugin before setting");
        await managed.set(record, wishes);
      }),
    remove: (ref, { force }) =>
      locked(context, ref, async (record) => {
        if (!force) checkUnused(context, record);
        if (record.isEnabled && !force) throw conflict(`plugin ${record.name} is enabled`);
        await managed.remove(record);
        tell(context, "remove", record);
      }),
    upgrade: (ref, request, signal) => upgrade(context, ref, request, signal),
    push: (ref, auth, signal) =>
      pushPlugin(managed, registry, { record: managed.get(ref), ...(auth && { auth }) }, signal),
  };
}

function pull(
  context: PluginContext,
  request: PluginPullRequest,
  signal: AbortSignal,
): ReturnType<PluginOperations["pull"]> {
  const { managed, registry } = context.plugins;
  const name = readPluginName(request.name ?? withoutDigest(request.remote));
  managed.checkFree(name.name);
  const done = async (record: PluginRecord) => tell(context, "pull", record);
  return { name: name.name, progress: pullPlugin(managed, registry, { ...request, name }, done, signal) };
}

/** Pulled beside the old one, and put in its place. */
function upgrade(
  context: PluginContext,
  ref: string,
  request: PluginPullRequest,
  signal: AbortSignal,
): Progress {
  const { managed, registry } = context.plugins;
  const { id } = managed.get(ref);
  const checked = () => {
    const record = managed.get(id);
    if (record.isEnabled)
      throw conflict(`plugin must be disabled before upgrading: plugin ${record.name} is enabled`);
    return record;
  };
  const name = passingName(checked().name);
  const done = (record: PluginRecord) =>
    locked(context, id, async () => {
      try {
        await managed.replace(checked(), record);
      } catch (error) {
        await managed.remove(record);
        throw error;
      }
    });
  return pullPlugin(managed, registry, { ...request, name }, done, signal);
}

const withoutDigest = (remote: string) => remote.replace(/@.*$/, "");

async function locked(
  { plugins: { managed }, locks }: PluginContext,
  ref: string,
  work: (record: PluginRecord) => Promise<void>,
): Promise<void> {
  const { id } = managed.get(ref);
  // another may have changed it meanwhile
  await locks.run(`plugin ${id}`, () => work(managed.get(id)));
}

/** @throws conflict, naming a network */
function checkUnused({ controller }: PluginContext, { name }: PluginRecord): void {
  const uses = (driver: string) => fullNameOf(driver) === name;
  const user = controller.networks().find(({ record }) => uses(record.driver) || uses(record.ipam.driver));
  if (user) throw conflict(`plugin ${name} is in use by network ${user.name}`);
}

function matches(record: PluginRecord, filters: Filters): boolean {
  const enabled = filters.get("enabled") ?? [];
  const capabilities = filters.get("capability") ?? [];
  return (
    enabled.every((value) => /^(1|true)$/i.test(value) === record.isEnabled) &&
    capabilities.every((value) => capabilitiesOf(record.config).includes(value.toLowerCase()))
  );
}

function documentOf({ id, name, reference, config, settings, isEnabled }: PluginRecord): JsonObject {
  return {
    Config: config,
    Enabled: isEnabled,
    Id: id,
    Name: name,
    PluginReference: reference,
    Settings: settings,
  } as unknown as JsonObject;
}

function tell({ events }: PluginContext, action: string, { id, name }: PluginRecord): void {
  events.publish("plugin", action, id, { name });
}
