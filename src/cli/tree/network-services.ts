// Commands on services of a network: ours, Docker has none.

import type { GroupEntry } from "./entry.ts";

export const networkService: GroupEntry = {
  name: "service",
  short: "Manage services of the cluster's networks",
  commands: [
    {
      name: "inspect",
      short: "Display detailed information on one or more services of a network",
      load: async () => (await import("../commands/network/service/inspect.ts")).inspect,
    },
    {
      name: "ls",
      short: "List services",
      otherNames: ["list"],
      load: async () => (await import("../commands/network/service/list.ts")).list,
    },
    {
      name: "publish",
      short: "Open ports of every host for a service",
      load: async () => (await import("../commands/network/service/publish.ts")).publish,
    },
    {
      name: "unpublish",
      short: "Close ports of a service",
      load: async () => (await import("../commands/network/service/publish.ts")).unpublish,
    },
  ],
};
