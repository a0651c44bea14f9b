// Commands on the cluster: ours, Docker has none.

import type { GroupEntry } from "./entry.ts";

export const cluster: GroupEntry = {
  name: "cluster",
  short: "Manage the cluster of hosts that share networks",
  commands: [
    {
      name: "init",
      short: "Form a cluster, with this host as its first member",
      load: async () => (await import("../commands/cluster/init.ts")).init,
    },
    {
      name: "join",
      short: "Join a cluster",
      load: async () => (await import("../commands/cluster/join.ts")).join,
    },
    {
      name: "leave",
      short: "Leave the cluster",
      load: async () => (await import("../commands/cluster/leave.ts")).leave,
    },
    {
      name: "ls",
      short: "List the hosts of the cluster",
      otherNames: ["list"],
      load: async () => (await import("../commands/cluster/list.ts")).list,
    },
    {
      name: "rm",
      short: "Remove one or more hosts that are gone for good",
      otherNames: ["remove"],
      load: async () => (await import("../commands/cluster/rm.ts")).rm,
    },
    {
      name: "status",
      short: "Show the cluster as this host sees it",
      load: async () => (await import("../commands/cluster/status.ts")).status,
    },
    {
      name: "token",
      short: "Make a token that admits hosts, or list tokens",
      load: async () => (await import("../commands/cluster/token.ts")).token,
    },
  ],
};
