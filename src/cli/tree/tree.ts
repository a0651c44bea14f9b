// The first level of commands, and those that are about the whole engine.

import { cluster } from "./cluster.ts";
import { container, containerCommands, listContainers } from "./containers.ts";
import { driver } from "./driver.ts";
import type { CommandEntry, GroupEntry, TreeEntry } from "./entry.ts";
import { image, imageCommands, listImages, removeImages } from "./images.ts";
import { network, volume } from "./networks-volumes.ts";
import { plugin } from "./plugins.ts";

const events: CommandEntry = {
  name: "events",
  short: "Get real time events from the server",
  load: async () => (await import("../commands/system/events.ts")).events,
};

const info: CommandEntry = {
  name: "info",
  short: "Display system-wide information",
  load: async () => (await import("../commands/system/info.ts")).info,
};

const system: GroupEntry = {
  name: "system",
  short: "Manage Docker",
  commands: [
    {
      name: "df",
      short: "Show docker disk usage",
      load: async () => (await import("../commands/system/df.ts")).df,
    },
    events,
    info,
    {
      name: "prune",
      short: "Remove unused data",
      load: async () => (await import("../commands/system/prune.ts")).prune,
    },
  ],
};

/** The first level. */
export const tree: readonly TreeEntry[] = [
  ...Object.values(containerCommands).map((entry): CommandEntry => ({ ...entry, otherNames: [] })),
  ...Object.values(imageCommands),
  { name: "ps", short: "List containers", rank: 3, load: listContainers },
  { name: "images", short: "List images", rank: 7, load: listImages },
  { name: "rmi", short: "Remove one or more images", load: removeImages },
  {
    name: "login",
    short: "Authenticate to a registry",
    rank: 8,
    load: async () => (await import("../commands/registry/login.ts")).login,
  },
  {
    name: "logout",
    short: "Log out from a registry",
    rank: 9,
    load: async () => (await import("../commands/registry/logout.ts")).logout,
  },
  {
    name: "version",
    short: "Show the Docker version information",
    rank: 11,
    load: async () => (await import("../commands/system/version.ts")).version,
  },
  { ...info, rank: 12 },
  events,
  {
    name: "inspect",
    short: "Return low-level information on Docker objects",
    load: async () => (await import("../commands/system/inspect.ts")).inspect,
  },
  cluster,
  container,
  driver,
  image,
  network,
  plugin,
  volume,
  system,
];
