// wait.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../command.ts";
import { joinErrors } from "../../errors.ts";
import type { WaitResult } from "../../wire.ts";

export const wait: CommandSpec = {
  usage: "CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container wait", "tsdocker wait"],
  args: minArgs(1),
  flags: [],
  async run({ session, args }) {
    const errors: unknown[] = [];
    for (const name of args) {
      try {
        const result = await session.client.post<WaitResult>(containerPath(name, "/wait"));
        session.out.line(String(result.StatusCode));
      } catch (error) {
        errors.push(error);
      }
    }
    const all = joinErrors(errors);
    if (all) throw all;
  },
};
