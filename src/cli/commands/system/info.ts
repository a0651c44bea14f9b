// info.

import { errorMessage } from "../../../util/errors.ts";
import { parseJson } from "../../client/json.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { authForServer, hubServer } from "../../config/auth.ts";
import { ConnectError, StatusError } from "../../errors.ts";
import { inspectFormatFlag } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import { parseTemplate, type Template } from "../../template/template.ts";
import { goType, prepare } from "../../template/values.ts";
import { clientVersion } from "../../version.ts";
import { type Info, serverLines } from "./info-text.ts";

export const info: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker system info", "tsdocker info"],
  args: noArgs,
  flags: [inspectFormatFlag],
  run: runInfo,
};

async function runInfo({ session, flags }: Invocation): Promise<void> {
  const format = flags.string("format");
  const { server, failure } = await fetchInfo(session);
  if (format === "") await printInfo(session, server, failure);
  else {
    if (failure && !(failure instanceof ConnectError)) session.err.line(errorMessage(failure));
    formatInfo(session, format, server);
  }
  if (failure instanceof ConnectError) throw failure;
}

async function fetchInfo(session: Session): Promise<{ server?: Info; failure?: unknown }> {
  try {
    return { server: parseJson(await session.client.text("GET", "/info")) as Info };
  } catch (failure) {
    return { failure };
  }
}

async function printInfo(session: Session, server: Info | undefined, failure: unknown): Promise<void> {
  const { out, err } = session;
  out.line("Client:");
  out.line(" Version:   ", clientVersion);
  out.line(" Context:   ", session.contextName);
  out.line(" Debug Mode:", String(session.isDebug));
  out.line("\nServer:");
  if (server) {
    const user = (await authForServer(session.config, hubServer)).username ?? "";
    for (const line of serverLines(server, { user, debug: session.isDebug })) out.line(line);
    for (const warning of server.Warnings ?? []) err.line(warning);
  } else if (!(failure instanceof ConnectError)) {
    err.line("ERROR:", errorMessage(failure));
    throw new Error("errors pretty printing info");
  }
}

function parseFormat(format: string): Template {
  try {
    return parseTemplate(format);
  } catch (error) {
    throw new StatusError(64, `template parsing error: ${errorMessage(error)}`);
  }
}

function formatInfo(session: Session, format: string, server: Info | undefined): void {
  const client = {
    Debug: session.isDebug,
    Version: clientVersion,
    Context: session.contextName,
    Plugins: [],
    Warnings: null,
  };
  const data = { ...(prepare({ ...server }) as object), ClientInfo: client };
  Object.defineProperty(data, goType, { value: "system.dockerInfo" });
  const template = parseFormat(format === "json" ? "{{json .}}" : format);
  let text = "";
  try {
    text = template.run(data);
  } finally {
    session.out.line(text);
  }
}
