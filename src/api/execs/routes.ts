// Exec: further processes in a running container.

import type { Engine, ExecSpec, ExecView } from "../../engine/types.ts";
import { errorMessage, invalid } from "../../util/errors.ts";
import { carryAttach } from "../attach.ts";
import type { Call } from "../call.ts";
import type { Connection } from "../connection.ts";
import { terminalSize } from "../containers/routes.ts";
import { readConsoleSize } from "../containers/spec.ts";
import { defaultDetachKeys, parseDetachKeys } from "../detach-keys.ts";
import { outputBytes, outputContentType } from "../frames.ts";
import { created, done, get, ok, post, type Route, streamed } from "../route.ts";
import {
  type CreateExecRequest,
  type CreateExecResponse,
  createExecRequest,
  type ExecInspect,
  type StartExecRequest,
  startExecRequest,
} from "../schemas/exec.ts";
import { defined, nonEmpty } from "../text.ts";

export const execRoutes = ({ execs }: Engine): readonly Route[] => [
  post("/containers/:id/exec", async (call) => {
    const spec = readExecSpec((await call.json(createExecRequest)) ?? {});
    const id = await execs.create(call.parameter("id"), spec);
    return created({ Id: id } satisfies CreateExecResponse);
  }),
  get("/exec/:id/json", async (call) => ok(execWire(await execs.inspect(call.parameter("id"))))),
  post("/exec/:id/resize", async (call) => {
    await execs.resize(call.parameter("id"), terminalSize(call));
    return done;
  }),
  post("/exec/:id/start", async (call) => {
    const request = (await call.json(startExecRequest)) ?? {};
    if (request.Detach) {
      await execs.startDetached(call.parameter("id"));
      return done;
    }
    const connection = call.takeConnection();
    await start(execs, call, { request, connection }).catch((error) => connection.refuse(error));
    return streamed;
  }),
];

function readExecSpec(request: CreateExecRequest): ExecSpec {
  if (!request.Cmd?.length) throw invalid("No exec command specified");
  if (request.DetachKeys) parseDetachKeys(request.DetachKeys);
  return {
    command: request.Cmd,
    env: request.Env ?? [],
    ...defined({
      user: nonEmpty(request.User),
      workingDir: nonEmpty(request.WorkingDir),
      detachKeys: nonEmpty(request.DetachKeys),
      consoleSize: readConsoleSize(request.ConsoleSize),
    }),
    privileged: request.Privileged ?? false,
    tty: request.Tty ?? false,
    attachStdin: request.AttachStdin ?? false,
    attachStdout: request.AttachStdout ?? false,
    attachStderr: request.AttachStderr ?? false,
  };
}

interface Start {
  readonly request: StartExecRequest;
  readonly connection: Connection;
}

/**
 * An unknown exec is refused with its status. Everything later is told on the opened stream, as Docker does: the CLI shows
 * that text and takes the exit code (126, 127) from inspect.
 */
async function start(execs: Engine["execs"], call: Call, { request, connection }: Start): Promise<void> {
  const id = call.parameter("id");
  const { spec } = await execs.inspect(id);
  const tty = request.Tty ?? spec.tty;
  connection.open(outputContentType(call.version, tty));
  try {
    const how = { tty, ...defined({ consoleSize: readConsoleSize(request.ConsoleSize) }) };
    const session = await execs.start(id, how, connection.signal);
    const detachKeys = parseDetachKeys(spec.detachKeys ?? defaultDetachKeys);
    await carryAttach(connection, { session, detachKeys });
  } catch (error) {
    const data = Buffer.from(`${errorMessage(error)}\r\n`);
    await connection.write(outputBytes({ stream: "stdout", data }, tty));
    connection.end();
  }
}

function execWire(view: ExecView): ExecInspect {
  const { spec } = view;
  const [entrypoint = "", ...words] = spec.command;
  return {
    ID: view.id,
    Running: view.running,
    ExitCode: view.exitCode ?? null,
    ProcessConfig: {
      tty: spec.tty,
      entrypoint,
      arguments: words,
      privileged: spec.privileged,
      ...(spec.user !== undefined && { user: spec.user }),
    },
    OpenStdin: spec.attachStdin,
    OpenStderr: spec.attachStderr,
    OpenStdout: spec.attachStdout,
    CanRemove: view.canRemove,
    ContainerID: view.containerId,
    DetachKeys: spec.detachKeys ?? "",
    Pid: view.pid,
  };
}
