// stop and restart.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { int, text } from "../../flags/spec.ts";
import { forEachName, forEachNameInTurn } from "../parallel.ts";

const flags = [
  text("signal", "Signal to send to the container", { short: "s" }),
  int("timeout", "Seconds to wait before killing the container", { short: "t" }),
  int("time", "Seconds to wait before killing the container (deprecated: use --timeout)", {
    deprecated: "use --timeout instead",
  }),
];

export const stop: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container stop", "tsdocker stop"],
  args: minArgs(1),
  flags,
  run: (call) => forEachName(call.session, call.args, post(call, "/stop")),
};

export const restart: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container restart", "tsdocker restart"],
  args: minArgs(1),
  flags,
  run: (call) => forEachNameInTurn(call.session, call.args, post(call, "/restart")),
};

function post({ session, flags: given }: Invocation, tail: string): (name: string) => Promise<unknown> {
  const changed = (["timeout", "time"] as const).filter((flag) => given.changed(flag));
  if (changed.length > 1) throw new Error("conflicting options: cannot specify both --timeout and --time");
  const t = changed[0] === undefined ? undefined : String(given.number(changed[0]));
  const query = { signal: given.string("signal"), t };
  return (name) => session.client.post(containerPath(name, tail), { query });
}
