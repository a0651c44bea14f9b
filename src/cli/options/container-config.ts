// From the flags of `run` and `create` to the body of the create request.

import type { FlagValues } from "../flags/values.ts";
import { checkMacAddress, cut } from "./checks.ts";
import { parseHealth } from "./health.ts";
import { type HostConfig, parseHost } from "./host-config.ts";
import { listOrNull, readPairs, toMap } from "./key-values.ts";
import { parseVolumes } from "./mounts.ts";
import { type EndpointSettings, parseNetworks } from "./networks.ts";
import { parsePorts } from "./ports.ts";
import { checkSwappiness, parseResources } from "./resources.ts";

export interface ContainerConfig {
  Image: string;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  readonly [field: string]: unknown;
}

export interface CreateBody {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networkingConfig: { readonly EndpointsConfig: Readonly<Record<string, EndpointSettings>> };
}

/** Reads the flags. `extraEnv` goes before what -e says. Throws Docker's texts. */
export function containerConfig(
  flags: FlagValues,
  words: readonly string[],
  extraEnv: readonly string[],
): CreateBody {
  const mac = flags.string("mac-address");
  if (mac) checkMacAddress(mac);
  checkSwappiness(flags);
  const { binds, volumes } = parseVolumes(flags.list("volume"));
  const { exposed, bindings } = parsePorts(flags.list("publish"), flags.list("expose"));
  const resources = parseResources(flags);
  const hostConfig = { ...parseHost(flags), ...resources, Binds: listOrNull(binds), PortBindings: bindings };
  const { networkMode, endpoints } = parseNetworks(flags);
  const mainMac = endpoints[networkMode]?.MacAddress ?? mac;
  const config: ContainerConfig = {
    ...parseProcess(flags, words, extraEnv),
    ExposedPorts: exposed,
    Volumes: volumes,
    ...(mainMac ? { MacAddress: mainMac } : {}),
  };
  return {
    config,
    hostConfig: { ...hostConfig, NetworkMode: networkMode },
    networkingConfig: { EndpointsConfig: endpoints },
  };
}

/** Each variable once, with the value that was given last. */
function lastOfEach(env: readonly string[]): string[] {
  return [...new Map(env.map((pair) => [cut(pair, "=").before, pair])).values()];
}

function parseProcess(
  flags: FlagValues,
  words: readonly string[],
  extraEnv: readonly string[],
): ContainerConfig {
  const [image = "", ...command] = words;
  const attach = flags.list("attach");
  const stdin = flags.bool("interactive");
  const attachStdin = stdin || attach.includes("stdin");
  const env = readPairs(
    flags.list("env-file"),
    [...extraEnv, ...lastOfEach(flags.list("env"))],
    (name) => process.env[name],
  );
  const health = parseHealth(flags);
  return {
    Hostname: flags.string("hostname"),
    Domainname: flags.string("domainname"),
    User: flags.string("user"),
    AttachStdin: attachStdin,
    AttachStdout: attach.length === 0 || attach.includes("stdout"),
    AttachStderr: attach.length === 0 || attach.includes("stderr"),
    Tty: flags.bool("tty"),
    OpenStdin: stdin,
    StdinOnce: stdin && attachStdin,
    Env: listOrNull(env),
    Cmd: listOrNull(command),
    Image: image,
    WorkingDir: flags.string("workdir"),
    Entrypoint: flags.changed("entrypoint") ? [flags.string("entrypoint")] : null,
    Labels: toMap(readPairs(flags.list("label-file"), flags.list("label"))),
    ...(flags.string("stop-signal") ? { StopSignal: flags.string("stop-signal") } : {}),
    ...(flags.changed("stop-timeout") ? { StopTimeout: flags.number("stop-timeout") } : {}),
    ...(health ? { Healthcheck: health } : {}),
  };
}
