// Creating a container, with the pull that may come before it: what `create` and `run` share.

import { closeSync, existsSync, openSync, unlinkSync, writeSync } from "node:fs";
import { isIP } from "node:net";
import { jsonStream } from "../../client/json.ts";
import { compareVersions } from "../../client/versions.ts";
import { registryAuthFor } from "../../config/auth.ts";
import { isNotFound } from "../../errors.ts";
import { quote } from "../../flags/numbers.ts";
import type { FlagValues } from "../../flags/values.ts";
import {
  canonicalName,
  canonicalString,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../format/reference.ts";
import { type CreateBody, containerConfig } from "../../options/container-config.ts";
import type { HostConfig } from "../../options/host-config.ts";
import { goFileError } from "../../options/key-values.ts";
import { proxyVariables } from "../../options/proxies.ts";
import { showProgress } from "../../progress.ts";
import type { Session } from "../../session.ts";
import { silentOutput, terminalSize } from "../../streams.ts";

const pullModes = ["always", "missing", "never"];

/** The flags as a create request; their faults end with `See --help`, exit 125, which the caller adds. */
export function readContainerFlags(
  session: Session,
  flags: FlagValues,
  words: readonly string[],
): CreateBody {
  const pull = flags.string("pull");
  if (pull !== "" && !pullModes.includes(pull)) {
    const [always, missing, never] = pullModes.map(quote);
    throw new Error(`invalid pull option: '${pull}': must be one of ${always}, ${missing} or ${never}`);
  }
  return containerConfig(flags, words, proxyVariables(session, flags.list("env")));
}

/** Creates, pulling the image as --pull says; prints warnings; returns the id. */
export async function createContainer(
  session: Session,
  flags: FlagValues,
  body: CreateBody,
): Promise<string> {
  using idFile = openIdFile(body.hostConfig.ContainerIDFile);
  const ref = imageReference(body.config.Image);
  const pull = () => pullImage(session, body.config.Image, ref, flags);
  const mode = flags.string("pull");
  if (mode === "always") await pull();
  const { height, width } = terminalSize(session.out);
  body.hostConfig.ConsoleSize = [height, width];
  const created = await postCreate(session, flags, body).catch(async (error: unknown) => {
    if (!isNotFound(error) || !ref || (mode !== "missing" && mode !== "")) throw error;
    if (!flags.bool("quiet")) session.err.line(`Unable to find image '${familiarString(ref)}' locally`);
    await pull();
    return postCreate(session, flags, body);
  });
  const warnings = [...(created.Warnings ?? []), ...localDnsWarning(body.hostConfig)];
  for (const warning of warnings) session.err.line("WARNING:", warning);
  idFile.write(created.Id);
  return created.Id;
}

/** undefined for an image named by its id, which nobody can pull. */
function imageReference(image: string): Reference | undefined {
  if (/^(sha256:)?[0-9a-f]{64}$/.test(image)) return undefined;
  return withDefaultTag(parseReference(image));
}

interface Created {
  readonly Id: string;
  readonly Warnings?: readonly string[] | null;
}

async function postCreate(session: Session, flags: FlagValues, body: CreateBody): Promise<Created> {
  const version = await session.client.version();
  const platform = compareVersions(version, "1.41") >= 0 ? flags.string("platform") : "";
  const hostConfig =
    compareVersions(version, "1.42") >= 0 ? { ...body.hostConfig, KernelMemory: undefined } : body.hostConfig;
  const json = { ...body.config, HostConfig: hostConfig, NetworkingConfig: body.networkingConfig };
  return session.client.post<Created>("/containers/create", {
    query: { name: flags.string("name"), platform },
    json: compareVersions(version, "1.44") >= 0 ? { ...json, MacAddress: undefined } : json,
  });
}

async function pullImage(
  session: Session,
  image: string,
  ref: Reference | undefined,
  flags: FlagValues,
): Promise<void> {
  const named = ref ?? withDefaultTag(parseReference(image));
  const response = await session.client.send("POST", "/images/create", {
    query: {
      fromImage: canonicalName(named),
      tag: named.digest ?? named.tag,
      platform: flags.string("platform"),
    },
    headers: { "X-Registry-Auth": await registryAuthFor(session.config, canonicalString(named)) },
  });
  await showProgress(flags.bool("quiet") ? silentOutput : session.err, jsonStream(response.body));
}

function localDnsWarning(hostConfig: HostConfig): string[] {
  const local = hostConfig.Dns.find((ip) => (isIP(ip) === 4 && ip.startsWith("127.")) || ip === "::1");
  return local === undefined ? [] : [`Localhost DNS (${local}) may fail in containers.`];
}

interface IdFile extends Disposable {
  write(id: string): void;
}

/** --cidfile: refused when it is there; removed again when no id came. */
function openIdFile(path: string): IdFile {
  if (path === "") return { write: () => {}, [Symbol.dispose]: () => {} };
  if (existsSync(path)) {
    throw new Error(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  let fd: number;
  try {
    fd = openSync(path, "w");
  } catch (error) {
    throw new Error(`failed to create the container ID file: ${goFileError("open", path, error).message}`);
  }
  let written = false;
  return {
    write: (id) => {
      writeSync(fd, id);
      written = true;
    },
    [Symbol.dispose]: () => {
      closeSync(fd);
      if (!written) unlinkSync(path);
    },
  };
}
