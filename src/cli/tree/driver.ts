// Commands for those who write drivers: ours, Docker has none.

import type { GroupEntry } from "./entry.ts";

export const driver: GroupEntry = {
  name: "driver",
  short: "Write and try drivers of networks and addresses",
  commands: [
    {
      name: "new",
      short: "Make a folder with a driver that works, to be changed into yours",
      load: async () => (await import("../commands/driver/new.ts")).newDriver,
    },
    {
      name: "record",
      short: "Record the conversation between a daemon and a plugin",
      load: async () => (await import("../commands/driver/record.ts")).record,
    },
    {
      name: "replay",
      short: "Play a recorded conversation against a plugin, or in place of one",
      load: async () => (await import("../commands/driver/replay.ts")).replay,
    },
    {
      name: "verify",
      short: "Put a driver to the test: does it keep the rules?",
      load: async () => (await import("../commands/driver/verify.ts")).verify,
    },
  ],
};
