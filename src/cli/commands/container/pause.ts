// pause and unpause.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { forEachName } from "../parallel.ts";

const verb = (name: "pause" | "unpause"): CommandSpec => ({
  usage: "CONTAINER [CONTAINER...]",
  aliases: [`tsdocker container ${name}`, `tsdocker ${name}`],
  args: minArgs(1),
  flags: [],
  run: ({ session, args }) =>
    forEachName(session, args, (id) => session.client.post(containerPath(id, `/${name}`))),
});

export const pause = verb("pause");
export const unpause = verb("unpause");
