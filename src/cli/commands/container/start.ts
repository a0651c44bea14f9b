// start, with -a and -i.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { chooseDetachKeys } from "../../detach.ts";
import { StatusError } from "../../errors.ts";
import { bool, text } from "../../flags/spec.ts";
import { forwardSignals } from "../../terminal.ts";
import type { ContainerInspect } from "../../wire.ts";
import { attachFirst } from "./attach-first.ts";

export const start: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: ["tsdocker container start", "tsdocker start"],
  args: minArgs(1),
  flags: [
    bool("attach", "Attach STDOUT/STDERR and forward signals", { short: "a" }),
    bool("interactive", "Attach container's STDIN", { short: "i" }),
    text("detach-keys", "Override the key sequence for detaching a container"),
  ],
  run: (call) =>
    call.flags.bool("attach") || call.flags.bool("interactive") ? startAttached(call) : startAll(call),
};

async function startAll({ session, args }: Invocation): Promise<void> {
  const failed: string[] = [];
  for (const name of args) {
    try {
      await session.client.post(containerPath(name, "/start"));
      session.out.line(name);
    } catch (error) {
      session.err.line(errorMessage(error));
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new Error(`Error: failed to start containers: ${failed.join(", ")}`);
}

async function startAttached({ session, flags, args }: Invocation): Promise<void> {
  if (args.length > 1) throw new Error("you cannot start and attach multiple containers at once");
  const container = await session.client.get<ContainerInspect>(containerPath(args[0] ?? "", "/json"));
  const { Id: id, Config: config } = container;
  if (!config.Tty) forwardSignals(session, id);
  const { start, stream, status } = await attachFirst(session, id, {
    stdin: flags.bool("interactive") && config.OpenStdin,
    stdout: true,
    stderr: true,
    tty: config.Tty,
    detachKeys: chooseDetachKeys(session, flags.string("detach-keys")),
    autoRemove: container.HostConfig.AutoRemove ?? false,
  });
  await start();
  if ((await stream) === "detached") return;
  const code = await status;
  if (code !== 0) throw new StatusError(code);
}
