// create.

import { errorMessage } from "../../../util/errors.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { createContainer, readContainerFlags } from "./create-container.ts";
import { createFlags } from "./create-flags.ts";
import { withHelp } from "./run-errors.ts";

export const create: CommandSpec = {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  aliases: ["tsdocker container create", "tsdocker create"],
  args: minArgs(1),
  interspersed: false,
  flags: createFlags("creating"),
  async run({ session, flags, args }) {
    const body = readOr125(() => readContainerFlags(session, flags, args));
    session.out.line(await createContainer(session, flags, body));
  },
};

function readOr125<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new StatusError(125, withHelp(errorMessage(error), "create"));
  }
}
