// rm.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { isNotFound, joinErrors } from "../../errors.ts";
import { bool } from "../../flags/spec.ts";

export const rm: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container rm", "tsdocker container remove", "tsdocker rm"],
  args: minArgs(1),
  flags: [
    bool("volumes", "Remove anonymous volumes associated with the container", { short: "v" }),
    bool("link", "Remove the specified link", { short: "l" }),
    bool("force", "Force the removal of a running container (uses SIGKILL)", { short: "f" }),
  ],
  run: runRm,
};

async function runRm({ session, flags, args }: Invocation): Promise<void> {
  const force = flags.bool("force");
  const query = { v: flags.bool("volumes"), link: flags.bool("link"), force };
  await session.client.version();
  const running = args.map((name) => removeOne(name, (path) => session.client.delete(path, query)));
  const errors: unknown[] = [];
  for (const [index, one] of running.entries()) {
    const error = await one;
    if (error === undefined) session.out.line(args[index] ?? "");
    else if (force && isNotFound(error)) session.err.line(errorMessage(error));
    else errors.push(error);
  }
  const all = joinErrors(errors);
  if (all) throw all;
}

async function removeOne(name: string, remove: (path: string) => Promise<unknown>): Promise<unknown> {
  const bare = name.replace(/^\/+|\/+$/g, "");
  try {
    if (bare === "") throw new Error("container name cannot be empty");
    await remove(containerPath(bare));
    return undefined;
  } catch (error) {
    return error;
  }
}
