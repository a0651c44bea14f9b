// save.

import { type CommandSpec, minArgs } from "../../command.ts";
import { text } from "../../flags/spec.ts";
import { platformQuery } from "../../options/platform.ts";
import { writeBody } from "../../output-file.ts";

export const save: CommandSpec = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  aliases: ["tsdocker image save", "tsdocker save"],
  args: minArgs(1),
  flags: [
    text("output", "Write to a file, instead of STDOUT", { short: "o" }),
    text(
      "platform",
      'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { since: "1.48" },
    ),
  ],
  run: ({ session, flags, args }) =>
    writeBody(session, flags.string("output"), "failed to save image", async () => {
      const query = { names: args, platform: platformQuery(flags.string("platform")) };
      return (await session.client.send("GET", "/images/get", { query })).body;
    }),
};
