// Managed plugins on the wire; what Docker calls a Plugin is the engine's document.

import { list, object, string } from "./decode.ts";

export const pluginPrivileges = list(
  object("PluginPrivilege", { Name: string, Description: string, Value: list(string) }),
);

export const pluginSettings = list(string);
