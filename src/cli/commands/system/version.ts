// version.

import { errorMessage } from "../../../util/errors.ts";
import { maxApiVersion } from "../../client/versions.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { inspectFormatFlag } from "../../flags/spec.ts";
import { alignColumns } from "../../format/table.ts";
import { ansiTime } from "../../format/time.ts";
import type { Session } from "../../session.ts";
import { parseTemplate, type Template } from "../../template/template.ts";
import { asMap, goType } from "../../template/values.ts";
import { clientVersion } from "../../version.ts";

const defaultFormat = `{{with .Client -}}
Client:
 Version:	{{.Version}}
 API version:	{{.APIVersion}}{{if ne .APIVersion .DefaultAPIVersion}} (downgraded from {{.DefaultAPIVersion}}){{end}}
 Node version:	{{.NodeVersion}}
 OS/Arch:	{{.Os}}/{{.Arch}}
 Context:	{{.Context}}
{{- end}}

{{- if ne .Server nil}}{{with .Server}}

Server:{{if ne .Platform.Name ""}} {{.Platform.Name}}{{end}}
 {{- range $component := .Components}}
 {{$component.Name}}:
  {{- if eq $component.Name "Engine" }}
  Version:	{{.Version}}
  API version:	{{index .Details "ApiVersion"}} (minimum version {{index .Details "MinAPIVersion"}})
  Go version:	{{index .Details "GoVersion"}}
  Git commit:	{{index .Details "GitCommit"}}
  Built:	{{index .Details "BuildTime"}}
  OS/Arch:	{{index .Details "Os"}}/{{index .Details "Arch"}}
  Experimental:	{{index .Details "Experimental"}}
  {{- else }}
  Version:	{{$component.Version}}
  {{- range $key, $value := $component.Details}}
  {{$key}}:	{{$value}}
   {{- end}}
  {{- end}}
 {{- end}}
 {{- end}}{{- end}}`;

export const version: CommandSpec = {
  usage: "[OPTIONS]",
  args: noArgs,
  flags: [inspectFormatFlag],
  run: runVersion,
};

async function runVersion({ session, flags }: Invocation): Promise<void> {
  const format = flags.string("format");
  const template = parseFormat(format);
  const client = await clientPart(session);
  let failure: unknown;
  const server = await session.client.get<ServerVersion>("/version").catch((error: unknown) => {
    failure = error;
  });
  const data = named({ Client: client, Server: server ? serverPart(server) : null }, "system.versionInfo");
  let text = "";
  try {
    text = template.run(data);
  } finally {
    session.out.write(alignColumns(`${text}\n`, { minWidth: 20, padding: 1 }));
  }
  if (failure !== undefined) throw failure;
}

function parseFormat(format: string): Template {
  const source = format === "" ? defaultFormat : format === "json" ? "{{json .}}" : format;
  try {
    return parseTemplate(source, { name: "version" });
  } catch (error) {
    throw new StatusError(64, `template parsing error: ${errorMessage(error)}`);
  }
}

async function clientPart(session: Session): Promise<object> {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const apiVersion = await session.client.version();
  const fields = {
    Version: clientVersion,
    ApiVersion: apiVersion,
    DefaultAPIVersion: maxApiVersion,
    NodeVersion: process.versions.node,
    Os: "linux",
    Arch: arch,
    Context: session.contextName,
  };
  Object.defineProperty(fields, "APIVersion", { value: apiVersion });
  return named(fields, "system.clientVersion");
}

interface Component {
  readonly Name: string;
  readonly Version: string;
  readonly Details?: Record<string, string> | null;
}

interface ServerVersion {
  readonly Version?: string;
  readonly ApiVersion?: string;
  readonly MinAPIVersion?: string;
  readonly GitCommit?: string;
  readonly GoVersion?: string;
  readonly Os?: string;
  readonly Arch?: string;
  readonly BuildTime?: string;
  readonly Experimental?: boolean;
  readonly Platform?: { readonly Name: string };
  readonly Components?: Component[] | null;
}

/** Daemons before 1.35 have no components: the engine is made one of what they say. */
function serverPart(server: ServerVersion): object {
  const components = server.Components ?? [];
  const found = components.some((component) => component.Name === "Engine");
  const all = found ? components : [...components, engineOf(server)];
  const shown = all.map((component) =>
    named({ ...component, Details: details(component) }, "types.ComponentVersion"),
  );
  const full = { ...server, Platform: server.Platform ?? { Name: "" }, Components: shown };
  Object.defineProperty(full, "APIVersion", { value: server.ApiVersion });
  return named(full, "*types.Version");
}

function engineOf(server: ServerVersion): Component {
  const {
    Version = "",
    ApiVersion = "",
    MinAPIVersion = "",
    GitCommit = "",
    GoVersion = "",
    Os = "",
    Arch = "",
  } = server;
  const BuildTime = server.BuildTime ?? "";
  const Experimental = String(server.Experimental ?? false);
  return {
    Name: "Engine",
    Version,
    Details: { ApiVersion, MinAPIVersion, GitCommit, GoVersion, Os, Arch, BuildTime, Experimental },
  };
}

function details(component: Component): object {
  const own = { ...component.Details };
  if (component.Name === "Engine" && own.BuildTime) own.BuildTime = ansiTime(own.BuildTime);
  return asMap(own);
}

function named<T extends object>(value: T, type: string): T {
  return Object.defineProperty(value, goType, { value: type });
}
