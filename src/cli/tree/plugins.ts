// Commands on plugins that the daemon runs itself.

import type { GroupEntry } from "./entry.ts";

export const plugin: GroupEntry = {
  name: "plugin",
  short: "Manage plugins",
  commands: [
    {
      name: "create",
      short:
        "Create a plugin from a rootfs and configuration. Plugin data directory must contain config.json and rootfs directory.",
      load: async () => (await import("../commands/plugin/create.ts")).create,
    },
    {
      name: "disable",
      short: "Disable a plugin",
      load: async () => (await import("../commands/plugin/switch.ts")).disable,
    },
    {
      name: "enable",
      short: "Enable a plugin",
      load: async () => (await import("../commands/plugin/switch.ts")).enable,
    },
    {
      name: "inspect",
      short: "Display detailed information on one or more plugins",
      load: async () => (await import("../commands/plugin/inspect.ts")).inspect,
    },
    {
      name: "install",
      short: "Install a plugin",
      load: async () => (await import("../commands/plugin/install.ts")).install,
    },
    {
      name: "ls",
      short: "List plugins",
      otherNames: ["list"],
      load: async () => (await import("../commands/plugin/list.ts")).list,
    },
    {
      name: "push",
      short: "Push a plugin to a registry",
      load: async () => (await import("../commands/plugin/install.ts")).push,
    },
    {
      name: "rm",
      short: "Remove one or more plugins",
      otherNames: ["remove"],
      load: async () => (await import("../commands/plugin/switch.ts")).rm,
    },
    {
      name: "set",
      short: "Change settings for a plugin",
      load: async () => (await import("../commands/plugin/switch.ts")).set,
    },
    {
      name: "upgrade",
      short: "Upgrade an existing plugin",
      load: async () => (await import("../commands/plugin/install.ts")).upgrade,
    },
  ],
};
