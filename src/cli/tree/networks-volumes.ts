// Commands on networks and volumes.

import type { GroupEntry } from "./entry.ts";
import { networkService } from "./network-services.ts";

export const network: GroupEntry = {
  name: "network",
  short: "Manage networks",
  commands: [
    {
      name: "connect",
      short: "Connect a container to a network",
      load: async () => (await import("../commands/network/connect.ts")).connect,
    },
    {
      name: "create",
      short: "Create a network",
      load: async () => (await import("../commands/network/create.ts")).create,
    },
    {
      name: "disconnect",
      short: "Disconnect a container from a network",
      load: async () => (await import("../commands/network/disconnect.ts")).disconnect,
    },
    {
      name: "inspect",
      short: "Display detailed information on one or more networks",
      load: async () => (await import("../commands/network/inspect.ts")).inspect,
    },
    {
      name: "ls",
      short: "List networks",
      otherNames: ["list"],
      load: async () => (await import("../commands/network/list.ts")).list,
    },
    {
      name: "prune",
      short: "Remove all unused networks",
      load: async () => (await import("../commands/network/prune.ts")).prune,
    },
    {
      name: "rm",
      short: "Remove one or more networks",
      otherNames: ["remove"],
      load: async () => (await import("../commands/network/rm.ts")).rm,
    },
    networkService,
  ],
};

export const volume: GroupEntry = {
  name: "volume",
  short: "Manage volumes",
  commands: [
    {
      name: "create",
      short: "Create a volume",
      load: async () => (await import("../commands/volume/create.ts")).create,
    },
    {
      name: "inspect",
      short: "Display detailed information on one or more volumes",
      load: async () => (await import("../commands/volume/inspect.ts")).inspect,
    },
    {
      name: "ls",
      short: "List volumes",
      otherNames: ["list"],
      load: async () => (await import("../commands/volume/list.ts")).list,
    },
    {
      name: "prune",
      short: "Remove unused local volumes",
      load: async () => (await import("../commands/volume/prune.ts")).prune,
    },
    {
      name: "rm",
      short: "Remove one or more volumes",
      otherNames: ["remove"],
      load: async () => (await import("../commands/volume/rm.ts")).rm,
    },
  ],
};
