// Commands on images, at the first level and under `image`.

import type { CommandEntry, GroupEntry } from "./entry.ts";

/** Those that are at both places. */
export const imageCommands = {
  history: {
    name: "history",
    short: "Show the history of an image",
    load: async () => (await import("../commands/image/history.ts")).history,
  },
  import: {
    name: "import",
    short: "Import the contents from a tarball to create a filesystem image",
    load: async () => (await import("../commands/image/import.ts")).importImage,
  },
  load: {
    name: "load",
    short: "Load an image from a tar archive or STDIN",
    load: async () => (await import("../commands/image/load.ts")).load,
  },
  pull: {
    name: "pull",
    short: "Download an image from a registry",
    rank: 5,
    load: async () => (await import("../commands/image/pull.ts")).pull,
  },
  push: {
    name: "push",
    short: "Upload an image to a registry",
    rank: 6,
    load: async () => (await import("../commands/image/push.ts")).push,
  },
  save: {
    name: "save",
    short: "Save one or more images to a tar archive (streamed to STDOUT by default)",
    load: async () => (await import("../commands/image/save.ts")).save,
  },
  tag: {
    name: "tag",
    short: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    load: async () => (await import("../commands/image/tag.ts")).tag,
  },
} satisfies Record<string, CommandEntry>;

export const listImages = async () => (await import("../commands/image/list.ts")).list;
export const removeImages = async () => (await import("../commands/image/rm.ts")).rm;

export const image: GroupEntry = {
  name: "image",
  short: "Manage images",
  commands: [
    ...Object.values(imageCommands),
    {
      name: "inspect",
      short: "Display detailed information on one or more images",
      load: async () => (await import("../commands/image/inspect.ts")).inspect,
    },
    { name: "ls", short: "List images", otherNames: ["list"], load: listImages },
    {
      name: "prune",
      short: "Remove unused images",
      load: async () => (await import("../commands/image/prune.ts")).prune,
    },
    { name: "rm", short: "Remove one or more images", otherNames: ["rmi", "remove"], load: removeImages },
  ],
};
