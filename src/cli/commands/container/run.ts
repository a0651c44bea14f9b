// run: create, attach, wait, start, in that order, so that no output and no exit is missed.

import { errorMessage } from "../../../util/errors.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { chooseDetachKeys } from "../../detach.ts";
import { StatusError } from "../../errors.ts";
import { bool, text } from "../../flags/spec.ts";
import type { FlagValues } from "../../flags/values.ts";
import type { ContainerConfig, CreateBody } from "../../options/container-config.ts";
import type { Session } from "../../session.ts";
import { checkTty, forwardSignals } from "../../terminal.ts";
import { waitForExit } from "../../wait.ts";
import { type Attached, attachFirst } from "./attach-first.ts";
import { createContainer, readContainerFlags } from "./create-container.ts";
import { createFlags } from "./create-flags.ts";
import { runError, withHelp } from "./run-errors.ts";

export const run: CommandSpec = {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  aliases: ["tsdocker container run", "tsdocker run"],
  args: minArgs(1),
  interspersed: false,
  flags: [
    bool("detach", "Run container in background and print container ID", { short: "d" }),
    bool("sig-proxy", "Proxy received signals to the process", { initial: "true" }),
    text("detach-keys", "Override the key sequence for detaching a container"),
    ...createFlags("running"),
  ],
  run: runRun,
};

async function runRun({ session, flags, args }: Invocation): Promise<void> {
  const body = readFlags(session, flags, args);
  prepareAttach(session, flags, body.config);
  const id = await createContainer(session, flags, body).catch((error: unknown) => {
    throw runError(error);
  });
  const { AttachStdin, AttachStdout, AttachStderr } = body.config;
  if (AttachStdin || AttachStdout || AttachStderr) await runAttached(session, flags, { id, body });
  else await runDetached(session, flags, { id, body });
}

function readFlags(session: Session, flags: FlagValues, args: readonly string[]): CreateBody {
  try {
    return readContainerFlags(session, flags, args);
  } catch (error) {
    throw new StatusError(125, withHelp(errorMessage(error), "run"));
  }
}

function prepareAttach(session: Session, flags: FlagValues, config: ContainerConfig): void {
  if (!flags.bool("detach")) {
    checkTty(session, config.AttachStdin, config.Tty);
    return;
  }
  if (flags.list("attach").length > 0) {
    throw new Error("conflicting options: cannot specify both --attach and --detach");
  }
  config.AttachStdin = false;
  config.AttachStdout = false;
  config.AttachStderr = false;
  config.StdinOnce = false;
}

interface Created {
  readonly id: string;
  readonly body: CreateBody;
}

async function runDetached(session: Session, flags: FlagValues, { id, body }: Created): Promise<void> {
  if (flags.bool("sig-proxy")) forwardSignals(session, id);
  session.out.line(id);
  const removed = body.hostConfig.AutoRemove
    ? await waitForExit(session, id, { untilRemoved: true })
    : undefined;
  try {
    await session.client.post(`/containers/${id}/start`);
  } catch (error) {
    await removed?.status;
    throw runError(error);
  }
}

async function runAttached(session: Session, flags: FlagValues, { id, body }: Created): Promise<void> {
  const { config, hostConfig } = body;
  if (flags.bool("sig-proxy")) forwardSignals(session, id);
  const attached = await attachFirst(session, id, {
    stdin: config.AttachStdin,
    stdout: config.AttachStdout,
    stderr: config.AttachStderr,
    tty: config.Tty,
    detachKeys: chooseDetachKeys(session, flags.string("detach-keys")),
    autoRemove: hostConfig.AutoRemove,
  });
  await attached.start().catch((error: unknown) => {
    throw runError(error);
  });
  await endAttached(attached, config);
}

/** Detached by keys: done. Exited: the rest of the output, then the exit code. */
async function endAttached({ stream, status, hangUp }: Attached, config: ContainerConfig): Promise<void> {
  const first = await Promise.race([stream, status]);
  if (first === "detached") return;
  if (typeof first === "number" && !config.AttachStdout && !config.AttachStderr) hangUp();
  if (typeof first === "number") await stream;
  const code = await status;
  if (code !== 0) throw new StatusError(code);
}
