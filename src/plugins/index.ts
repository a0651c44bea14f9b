// Docker's plugins as the daemon finds and calls them.

export { dockerFolders, type PluginFolders } from "./address.ts";
export { type ActivePlugin, type PluginSource, Plugins, type PluginsOptions } from "./plugins.ts";
