// Every command: its name, its line in the lists, and where it is; its module is loaded when it is called.

import type { CommandSpec } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly short: string;
  readonly otherNames?: readonly string[];
  /** Its place among the common commands of the program's help. */
  readonly rank?: number;
  readonly load: () => Promise<CommandSpec>;
}

export interface GroupEntry {
  readonly name: string;
  readonly short: string;
  readonly commands: readonly CommandEntry[];
}

export type TreeEntry = CommandEntry | GroupEntry;

export function isGroup(entry: TreeEntry): entry is GroupEntry {
  return "commands" in entry;
}

const containerCommands = {
  attach: {
    name: "attach",
    short: "Attach local standard input, output, and error streams to a running container",
    load: async () => (await import("./commands/container/attach.ts")).attach,
  },
  commit: {
    name: "commit",
    short: "Create a new image from a container's changes",
    load: async () => (await import("./commands/container/commit.ts")).commit,
  },
  cp: {
    name: "cp",
    short: "Copy files/folders between a container and the local filesystem",
    load: async () => (await import("./commands/container/cp.ts")).cp,
  },
  create: {
    name: "create",
    short: "Create a new container",
    load: async () => (await import("./commands/container/create.ts")).create,
  },
  diff: {
    name: "diff",
    short: "Inspect changes to files or directories on a container's filesystem",
    load: async () => (await import("./commands/container/diff.ts")).diff,
  },
  exec: {
    name: "exec",
    short: "Execute a command in a running container",
    rank: 2,
    load: async () => (await import("./commands/container/exec.ts")).exec,
  },
  export: {
    name: "export",
    short: "Export a container's filesystem as a tar archive",
    load: async () => (await import("./commands/container/export.ts")).exportContainer,
  },
  kill: {
    name: "kill",
    short: "Kill one or more running containers",
    load: async () => (await import("./commands/container/kill.ts")).kill,
  },
  logs: {
    name: "logs",
    short: "Fetch the logs of a container",
    load: async () => (await import("./commands/container/logs.ts")).logs,
  },
  pause: {
    name: "pause",
    short: "Pause all processes within one or more containers",
    load: async () => (await import("./commands/container/pause.ts")).pause,
  },
  port: {
    name: "port",
    short: "List port mappings or a specific mapping for the container",
    load: async () => (await import("./commands/container/port.ts")).port,
  },
  rename: {
    name: "rename",
    short: "Rename a container",
    load: async () => (await import("./commands/container/rename.ts")).rename,
  },
  restart: {
    name: "restart",
    short: "Restart one or more containers",
    load: async () => (await import("./commands/container/stop.ts")).restart,
  },
  rm: {
    name: "rm",
    short: "Remove one or more containers",
    otherNames: ["remove"],
    load: async () => (await import("./commands/container/rm.ts")).rm,
  },
  run: {
    name: "run",
    short: "Create and run a new container from an image",
    rank: 1,
    load: async () => (await import("./commands/container/run.ts")).run,
  },
  start: {
    name: "start",
    short: "Start one or more stopped containers",
    load: async () => (await import("./commands/container/start.ts")).start,
  },
  stats: {
    name: "stats",
    short: "Display a live stream of container(s) resource usage statistics",
    load: async () => (await import("./commands/container/stats.ts")).stats,
  },
  stop: {
    name: "stop",
    short: "Stop one or more running containers",
    load: async () => (await import("./commands/container/stop.ts")).stop,
  },
  top: {
    name: "top",
    short: "Display the running processes of a container",
    load: async () => (await import("./commands/container/top.ts")).top,
  },
  unpause: {
    name: "unpause",
    short: "Unpause all processes within one or more containers",
    load: async () => (await import("./commands/container/pause.ts")).unpause,
  },
  update: {
    name: "update",
    short: "Update configuration of one or more containers",
    load: async () => (await import("./commands/container/update.ts")).update,
  },
  wait: {
    name: "wait",
    short: "Block until one or more containers stop, then print their exit codes",
    load: async () => (await import("./commands/container/wait.ts")).wait,
  },
} satisfies Record<string, CommandEntry>;

const listContainers = async () => (await import("./commands/container/list.ts")).list;

const imageCommands = {
  history: {
    name: "history",
    short: "Show the history of an image",
    load: async () => (await import("./commands/image/history.ts")).history,
  },
  import: {
    name: "import",
    short: "Import the contents from a tarball to create a filesystem image",
    load: async () => (await import("./commands/image/import.ts")).importImage,
  },
  load: {
    name: "load",
    short: "Load an image from a tar archive or STDIN",
    load: async () => (await import("./commands/image/load.ts")).load,
  },
  pull: {
    name: "pull",
    short: "Download an image from a registry",
    rank: 5,
    load: async () => (await import("./commands/image/pull.ts")).pull,
  },
  push: {
    name: "push",
    short: "Upload an image to a registry",
    rank: 6,
    load: async () => (await import("./commands/image/push.ts")).push,
  },
  save: {
    name: "save",
    short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    load: async () => (await import("./commands/image/save.ts")).save,
  },
  tag: {
    name: "tag",
    short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    load: async () => (await import("./commands/image/tag.ts")).tag,
  },
} satisfies Record<string, CommandEntry>;

const listImages = async () => (await import("./commands/image/list.ts")).list;
const removeImages = async () => (await import("./commands/image/rm.ts")).rm;

const events: CommandEntry = {
  name: "events",
  short: "Get real time events from the server",
  load: async () => (await import("./commands/system/events.ts")).events,
};

const info: CommandEntry = {
  name: "info",
  short: "Display system-wide information",
  load: async () => (await import("./commands/system/info.ts")).info,
};

const container: GroupEntry = {
  name: "container",
  short: "Manage containers",
  commands: [
    ...Object.values(containerCommands),
    {
      name: "inspect",
      short: "Display detailed information on one or more containers",
      load: async () => (await import("./commands/container/inspect.ts")).inspect,
    },
    { name: "ls", short: "List containers", otherNames: ["ps", "list"], load: listContainers },
    {
      name: "prune",
      short: "Remove all stopped containers",
      load: async () => (await import("./commands/container/prune.ts")).prune,
    },
  ],
};

const image: GroupEntry = {
  name: "image",
  short: "Manage images",
  commands: [
    ...Object.values(imageCommands),
    {
      name: "inspect",
      short: "Display detailed information on one or more images",
      load: async () => (await import("./commands/image/inspect.ts")).inspect,
    },
    { name: "ls", short: "List images", otherNames: ["list"], load: listImages },
    {
      name: "prune",
      short: "Remove unused images",
      load: async () => (await import("./commands/image/prune.ts")).prune,
    },
    { name: "rm", short: "Remove one or more images", otherNames: ["rmi", "remove"], load: removeImages },
  ],
};

const network: GroupEntry = {
  name: "network",
  short: "Manage networks",
  commands: [
    {
      name: "connect",
      short: "Connect a container to a network",
      load: async () => (await import("./commands/network/connect.ts")).connect,
    },
    {
      name: "create",
      short: "Create a network",
      load: async () => (await import("./commands/network/create.ts")).create,
    },
    {
      name: "disconnect",
      short: "Disconnect a container from a network",
      load: async () => (await import("./commands/network/disconnect.ts")).disconnect,
    },
    {
      name: "inspect",
      short: "Display detailed information on one or more networks",
      load: async () => (await import("./commands/network/inspect.ts")).inspect,
    },
    {
      name: "ls",
      short: "List networks",
      otherNames: ["list"],
      load: async () => (await import("./commands/network/list.ts")).list,
    },
    {
      name: "prune",
      short: "Remove all unused networks",
      load: async () => (await import("./commands/network/prune.ts")).prune,
    },
    {
      name: "rm",
      short: "Remove one or more networks",
      otherNames: ["remove"],
      load: async () => (await import("./commands/network/rm.ts")).rm,
    },
  ],
};

const volume: GroupEntry = {
  name: "volume",
  short: "Manage volumes",
  commands: [
    {
      name: "create",
      short: "Create a volume",
      load: async () => (await import("./commands/volume/create.ts")).create,
    },
    {
      name: "inspect",
      short: "Display detailed information on one or more volumes",
      load: async () => (await import("./commands/volume/inspect.ts")).inspect,
    },
    {
      name: "ls",
      short: "List volumes",
      otherNames: ["list"],
      load: async () => (await import("./commands/volume/list.ts")).list,
    },
    {
      name: "prune",
      short: "Remove unused local volumes",
      load: async () => (await import("./commands/volume/prune.ts")).prune,
    },
    {
      name: "rm",
      short: "Remove one or more volumes",
      otherNames: ["remove"],
      load: async () => (await import("./commands/volume/rm.ts")).rm,
    },
  ],
};

const system: GroupEntry = {
  name: "system",
  short: "Manage Docker",
  commands: [
    {
      name: "df",
      short: "Show docker disk usage",
      load: async () => (await import("./commands/system/df.ts")).df,
    },
    events,
    info,
    {
      name: "prune",
      short: "Remove unused data",
      load: async () => (await import("./commands/system/prune.ts")).prune,
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
    load: async () => (await import("./commands/registry/login.ts")).login,
  },
  {
    name: "logout",
    short: "Log out from a registry",
    rank: 9,
    load: async () => (await import("./commands/registry/logout.ts")).logout,
  },
  {
    name: "version",
    short: "Show the Docker version information",
    rank: 11,
    load: async () => (await import("./commands/system/version.ts")).version,
  },
  { ...info, rank: 12 },
  events,
  {
    name: "inspect",
    short: "Return low-level information on Docker objects",
    load: async () => (await import("./commands/system/inspect.ts")).inspect,
  },
  container,
  image,
  network,
  volume,
  system,
];
