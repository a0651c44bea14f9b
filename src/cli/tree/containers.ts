// Commands on containers, at the first level and under `container`.

import type { CommandEntry, GroupEntry } from "./entry.ts";

/** Those that are at both places. */
export const containerCommands = {
  attach: {
    name: "attach",
    short: "Attach local standard input, output, and error streams to a running container",
    load: async () => (await import("../commands/container/attach.ts")).attach,
  },
  commit: {
    name: "commit",
    short: "Create a new image from a container's changes",
    load: async () => (await import("../commands/container/commit.ts")).commit,
  },
  cp: {
    name: "cp",
    short: "Copy files/folders between a container and the local filesystem",
    load: async () => (await import("../commands/container/cp.ts")).cp,
  },
  create: {
    name: "create",
    short: "Create a new container",
    load: async () => (await import("../commands/container/create.ts")).create,
  },
  diff: {
    name: "diff",
    short: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import("../commands/container/diff.ts")).diff,
  },
  exec: {
    name: "exec",
    short: "Execute a command in a running container",
    rank: 2,
    load: async () => (await import("../commands/container/exec.ts")).exec,
  },
  export: {
    name: "export",
    short: "Export a container's filesystem as a tar archive",
    load: async () => (await import("../commands/container/export.ts")).exportContainer,
  },
  kill: {
    name: "kill",
    short: "Kill one or more running containers",
    load: async () => (await import("../commands/container/kill.ts")).kill,
  },
  logs: {
    name: "logs",
    short: "Fetch the logs of a container",
    load: async () => (await import("../commands/container/logs.ts")).logs,
  },
  pause: {
    name: "pause",
    short: "Pause all processes within one or more containers",
    load: async () => (await import("../commands/container/pause.ts")).pause,
  },
  port: {
    name: "port",
    short: "List port mappings or a specific mapping for the container",
    load: async () => (await import("../commands/container/port.ts")).port,
  },
  rename: {
    name: "rename",
    short: "Rename a container",
    load: async () => (await import("../commands/container/rename.ts")).rename,
  },
  restart: {
    name: "restart",
    short: "Restart one or more containers",
    load: async () => (await import("../commands/container/stop.ts")).restart,
  },
  rm: {
    name: "rm",
    short: "Remove one or more containers",
    otherNames: ["remove"],
    load: async () => (await import("../commands/container/rm.ts")).rm,
  },
  run: {
    name: "run",
    short: "Create and run a new container from an image",
    rank: 1,
    load: async () => (await import("../commands/container/run.ts")).run,
  },
  start: {
    name: "start",
    short: "Start one or more stopped containers",
    load: async () => (await import("../commands/container/start.ts")).start,
  },
  stats: {
    name: "stats",
    short: "Display a live stream of container(s) resource usage statistics",
    load: async () => (await import("../commands/container/stats.ts")).stats,
  },
  stop: {
    name: "stop",
    short: "Stop one or more running containers",
    load: async () => (await import("../commands/container/stop.ts")).stop,
  },
  top: {
    name: "top",
    short: "Display the running processes of a container",
    load: async () => (await import("../commands/container/top.ts")).top,
  },
  unpause: {
    name: "unpause",
    short: "Unpause all processes within one or more containers",
    load: async () => (await import("../commands/container/pause.ts")).unpause,
  },
  update: {
    name: "update",
    short: "Update configuration of one or more containers",
    load: async () => (await import("../commands/container/update.ts")).update,
  },
  wait: {
    name: "wait",
    short: "Block until one or more containers stop, then print their exit codes",
    load: async () => (await import("../commands/container/wait.ts")).wait,
  },
} satisfies Record<string, CommandEntry>;

export const listContainers = async () => (await import("../commands/container/list.ts")).list;

export const container: GroupEntry = {
  name: "container",
  short: "Manage containers",
  commands: [
    ...Object.values(containerCommands),
    {
      name: "inspect",
      short: "Display detailed information on one or more containers",
      load: async () => (await import("../commands/container/inspect.ts")).inspect,
    },
    { name: "ls", short: "List containers", otherNames: ["ps", "list"], load: listContainers },
    {
      name: "prune",
      short: "Remove all stopped containers",
      load: async () => (await import("../commands/container/prune.ts")).prune,
    },
  ],
};
