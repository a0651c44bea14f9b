// start, with -a and -i.

import { errorMessage } from "../../../util/errors.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { bool, text } from "../../flags/spec.ts";
import { followTerminalSize, forwardSignals, streamHijacked } from "../../terminal.ts";
import { waitForExit } from "../../wait.ts";
import type { ContainerInspect } from "../../wire.ts";

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
  const detachKeys = flags.string("detach-keys") || session.config.content.detachKeys || "";
  const stdin = flags.bool("interactive") && config.OpenStdin;
  const query = { stream: true, stdin, stdout: true, stderr: true, detachKeys };
  const hijacked = await session.client.hijack(`/containers/${id}/attach`, { query });
  const stream = streamHijacked(session, {
    hijacked,
    stdin,
    stdout: true,
    stderr: true,
    tty: config.Tty,
    detachKeys,
  });
  stream.catch(() => {}); // looked at below
  const autoRemove = container.HostConfig.AutoRemove ?? false;
  const { status } = await waitForExit(session, id, { untilRemoved: autoRemove });
  try {
    await session.client.post(`/containers/${id}/start`);
  } catch (error) {
    hijacked.socket.destroy();
    await stream.catch(() => {});
    if (autoRemove) await status;
    throw error;
  }
  if (config.Tty && session.out.isTerminal) followTerminalSize(session, `/containers/${id}/resize`);
  if ((await stream) === "detached") return;
  const code = await status;
  if (code !== 0) throw new StatusError(code);
}
