// attach.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { chooseDetachKeys } from "../../detach.ts";
import { StatusError } from "../../errors.ts";
import { bool, text } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import { checkTty, followTerminalSize, forwardSignals, streamHijacked } from "../../terminal.ts";
import type { ContainerInspect, WaitResult } from "../../wire.ts";

export const attach: CommandSpec = {
  usage: "[OPTIONS] CONTAINER",
  aliases: ["tsdocker container attach", "tsdocker attach"],
  args: exactArgs(1),
  flags: [
    bool("no-stdin", "Do not attach STDIN"),
    bool("sig-proxy", "Proxy all received signals to the process", { initial: "true" }),
    text("detach-keys", "Override the key sequence for detaching a container"),
  ],
  run: runAttach,
};

async function runAttach({ session, flags, args }: Invocation): Promise<void> {
  const [name = ""] = args;
  const container = await runningContainer(session, name);
  const { Id: id, Config: config } = container;
  checkTty(session, !flags.bool("no-stdin"), config.Tty);
  const detachKeys = chooseDetachKeys(session, flags.string("detach-keys"));
  const stdin = !flags.bool("no-stdin") && config.OpenStdin;
  if (flags.bool("sig-proxy") && !config.Tty) forwardSignals(session, id);
  const exit = session.client.post<WaitResult>(`/containers/${id}/wait`);
  exit.catch(() => {}); // looked at when the stream has ended
  const query = { stream: true, stdin, stdout: true, stderr: true, detachKeys };
  const hijacked = await session.client.hijack(`/containers/${id}/attach`, { query });
  await runningContainer(session, id); // it may have ended meanwhile, and nothing would ever come
  if (config.Tty && session.out.isTerminal) await redraw(session, id);
  const end = await streamHijacked(session, {
    hijacked,
    stdin,
    stdout: true,
    stderr: true,
    tty: config.Tty,
    detachKeys,
  });
  if (end === "detached") throw new Error("read escape sequence");
  const result = await exit;
  if (result.Error) throw new Error(result.Error.Message);
  if (result.StatusCode !== 0) throw new StatusError(result.StatusCode);
}

async function runningContainer(session: Session, name: string): Promise<ContainerInspect> {
  const container = await session.client.get<ContainerInspect>(containerPath(name, "/json"));
  const cannot = (state: string, remedy: string) =>
    new Error(`You cannot attach to a ${state} container, ${remedy}`);
  if (!container.State.Running) throw cannot("stopped", "start it first");
  if (container.State.Paused) throw cannot("paused", "unpause it first");
  if (container.State.Restarting) throw cannot("restarting", "wait until it is running");
  return container;
}

/** A shell draws its prompt again when its terminal changes size: one larger, then right. */
async function redraw(session: Session, id: string): Promise<void> {
  const { rows = 0, columns = 0 } = process.stdout;
  await session.client
    .post(`/containers/${id}/resize`, { query: { h: rows + 1, w: columns + 1 } })
    .catch(() => {}); // only for looks
  followTerminalSize(session, `/containers/${id}/resize`);
}
