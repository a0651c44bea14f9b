// image inspect.

import { imagePath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { inspectFormatFlag, text } from "../../flags/spec.ts";
import { platformQuery } from "../../options/platform.ts";
import { inspectAll } from "../inspect.ts";

export const inspect: CommandSpec = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  args: minArgs(1),
  flags: [
    inspectFormatFlag,
    text(
      "platform",
      "Inspect a specific platform of the multi-platform image.\nIf the image or the server is not multi-platform capable, the command will error out if the platform does not match.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
      { since: "1.49" },
    ),
  ],
  run: ({ session, flags, args }) =>
    inspectAll(session, args, flags.string("format"), (name) =>
      session.client.text("GET", imagePath(name, "/json"), {
        query: { platform: platformQuery(flags.string("platform")) },
      }),
    ),
};
