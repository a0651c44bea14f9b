// rename.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";

export const rename: CommandSpec = {
  usage: "CONTAINER NEW_NAME",
  aliases: ["tsdocker container rename", "tsdocker rename"],
  args: exactArgs(2),
  flags: [],
  async run({ session, args }) {
    const [oldName = "", newName = ""] = args.map((name) => name.trim());
    if (oldName === "" || newName === "") throw new Error("Error: Neither old nor new names may be empty");
    try {
      await session.client.post(containerPath(oldName, "/rename"), { query: { name: newName } });
    } catch (error) {
      session.err.line(errorMessage(error));
      throw new Error(`Error: failed to rename container named ${oldName}`);
    }
  },
};
