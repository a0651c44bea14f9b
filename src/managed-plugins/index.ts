// The room's door: plugins that the daemon runs itself.

export { capabilitiesOf, type PluginConfig, type Privilege } from "./config.ts";
export { type LocatedPlugin, ManagedPlugins, type ManagedPluginsOptions, passingName } from "./managed.ts";
export { fullNameOf, type PluginName, readPluginName } from "./names.ts";
export type { PluginGround } from "./process.ts";
export type { PluginRecord } from "./record.ts";
export { type PluginRequest, pullPlugin, pushPlugin, remotePrivileges } from "./registry.ts";
export type { PluginSettings } from "./settings.ts";
