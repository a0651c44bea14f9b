// export.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { text } from "../../flags/spec.ts";
import { writeBody } from "../../output-file.ts";

export const exportContainer: CommandSpec = {
  usage: "[OPTIONS] CONTAINER",
  aliases: ["tsdocker container export", "tsdocker export"],
  args: exactArgs(1),
  flags: [text("output", "Write to a file, instead of STDOUT", { short: "o" })],
  run: ({ session, flags, args }) =>
    writeBody(session, flags.string("output"), "failed to export container", async () => {
      const response = await session.client.send("GET", containerPath(args[0] ?? "", "/export"));
      return response.body;
    }),
};
