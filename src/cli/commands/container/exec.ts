// exec.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { chooseDetachKeys } from "../../detach.ts";
import { StatusError } from "../../errors.ts";
import { bool, list, text } from "../../flags/spec.ts";
import type { FlagValues } from "../../flags/values.ts";
import { checkEnv } from "../../options/checks.ts";
import { readPairs } from "../../options/key-values.ts";
import type { Session } from "../../session.ts";
import { terminalSize } from "../../streams.ts";
import { checkTty, followTerminalSize, streamHijacked } from "../../terminal.ts";

export const exec: CommandSpec = {
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  aliases: ["tsdocker container exec", "tsdocker exec"],
  args: minArgs(2),
  interspersed: false,
  flags: [
    text("detach-keys", "Override the key sequence for detaching a container"),
    bool("interactive", "Keep STDIN open even if not attached", { short: "i" }),
    bool("tty", "Allocate a pseudo-TTY", { short: "t" }),
    bool("detach", "Detached mode: run command in the background", { short: "d" }),
    text("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', { short: "u" }),
    bool("privileged", "Give extended privileges to the command"),
    list("env", "Set environment variables", { short: "e", since: "1.25", check: checkEnv }),
    list("env-file", "Read in a file of environment variables", { since: "1.25" }),
    text("workdir", "Working directory inside the container", { short: "w", since: "1.35" }),
  ],
  run: runExec,
};

interface ExecConfig {
  readonly User: string;
  readonly Privileged: boolean;
  readonly Tty: boolean;
  readonly ConsoleSize?: readonly [number, number];
  readonly Detach: boolean;
  readonly AttachStdin: boolean;
  readonly AttachStdout: boolean;
  readonly AttachStderr: boolean;
  readonly DetachKeys: string;
  readonly Env: readonly string[] | null;
  readonly WorkingDir: string;
  readonly Cmd: readonly string[];
}

async function runExec({ session, flags, args }: Invocation): Promise<void> {
  const [container = "", ...command] = args;
  const config = execConfig(session, flags, command);
  const detach = flags.bool("detach");
  // An unknown container is reported before anything about the terminal.
  await session.client.get(containerPath(container, "/json"));
  if (!detach) checkTty(session, config.AttachStdin, config.Tty);
  const { Id: id } = await session.client.post<{ Id: string }>(containerPath(container, "/exec"), {
    json: config,
  });
  const startBody = { Detach: detach, Tty: config.Tty, ConsoleSize: config.ConsoleSize };
  if (detach) {
    await session.client.post(`/exec/${id}/start`, { json: startBody });
    return;
  }
  const hijacked = await session.client.hijack(`/exec/${id}/start`, { json: startBody });
  if (config.Tty && session.streams.stdinIsTerminal) followTerminalSize(session, `/exec/${id}/resize`);
  const end = await streamHijacked(session, {
    hijacked,
    stdin: config.AttachStdin,
    stdout: true,
    stderr: true,
    tty: config.Tty,
    detachKeys: config.DetachKeys,
  });
  if (end === "detached") throw new Error("read escape sequence");
  const { ExitCode: code } = await session.client.get<{ ExitCode: number | null }>(`/exec/${id}/json`);
  if (code) throw new StatusError(code);
}

function execConfig(session: Session, flags: FlagValues, command: readonly string[]): ExecConfig {
  const env = readPairs(flags.list("env-file"), flags.list("env"), (name) => process.env[name]);
  const attaches = !flags.bool("detach");
  const { height, width } = terminalSize(session.out);
  const tty = flags.bool("tty");
  return {
    User: flags.string("user"),
    Privileged: flags.bool("privileged"),
    Tty: tty,
    ...(tty ? { ConsoleSize: [height, width] } : {}),
    Detach: !attaches,
    AttachStdin: attaches && flags.bool("interactive"),
    AttachStdout: attaches,
    AttachStderr: attaches,
    DetachKeys: chooseDetachKeys(session, flags.string("detach-keys")),
    Env: env.length > 0 ? env : null,
    WorkingDir: flags.string("workdir"),
    Cmd: command,
  };
}
