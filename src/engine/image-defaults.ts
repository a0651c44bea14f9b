// What an image says a container should be like, laid under what was asked for. A pure function.

import { parsePortRange, parseProtocol } from "../netip/index.ts";
import { invalid } from "../util/errors.ts";
import type { ContainerSpec, ExposedPorts, Healthcheck, MountSpec } from "./types.ts";

/** The part of an OCI image configuration that matters to a container. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
  readonly Volumes?: Readonly<Record<string, unknown>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
    readonly Retries?: number;
  } | null;
}

/** The spec with the image's defaults merged in. */
export function withImageDefaults(spec: ContainerSpec, image: ImageDefaults): ContainerSpec {
  const entrypoint = spec.entrypoint ?? image.Entrypoint ?? [];
  // an entrypoint of its own takes the image's command away, an empty one does not
  const command = spec.command ?? (spec.entrypoint?.length ? [] : (image.Cmd ?? []));
  const user = spec.user ?? (image.User || undefined);
  const workingDir = spec.workingDir ?? (image.WorkingDir || undefined);
  const stopSignal = spec.stopSignal ?? (image.StopSignal || undefined);
  const healthcheck = mergeHealthcheck(spec.healthcheck, image.Healthcheck ?? undefined);
  return {
    ...spec,
    entrypoint,
    command,
    env: mergeEnv(image.Env ?? [], spec.env),
    labels: { ...image.Labels, ...spec.labels },
    exposedPorts: mergePorts(imagePorts(image), spec.exposedPorts),
    mounts: [...spec.mounts, ...imageVolumes(image, spec.mounts)],
    ...(user !== undefined && { user }),
    ...(workingDir !== undefined && { workingDir }),
    ...(stopSignal !== undefined && { stopSignal }),
    ...(healthcheck && { healthcheck }),
  };
}

/** The program and its arguments. @throws invalid `no command specified` */
export function commandOf(spec: ContainerSpec): { path: string; args: readonly string[] } {
  const [path, ...args] = [...(spec.entrypoint ?? []), ...(spec.command ?? [])];
  if (path === undefined || path === "") throw invalid("no command specified");
  return { path, args };
}

/** The second list, and what of the first it does not name. `NAME` alone names too: the variable is not set then. */
export function mergeEnv(below: readonly string[], above: readonly string[]): string[] {
  const named = new Set(above.map(nameOf));
  return [...above, ...below.filter((entry) => !named.has(nameOf(entry)))];
}

function nameOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals < 0 ? entry : entry.slice(0, equals);
}

function imagePorts(image: ImageDefaults): ExposedPorts[] {
  return Object.keys(image.ExposedPorts ?? {}).flatMap((text) => {
    const [ports = "", protocolName = "tcp"] = text.split("/");
    const range = parsePortRange(ports);
    const protocol = parseProtocol(protocolName);
    return range && protocol ? [{ protocol, range }] : [];
  });
}

function mergePorts(below: readonly ExposedPorts[], above: readonly ExposedPorts[]): ExposedPorts[] {
  const key = ({ protocol, range }: ExposedPorts) => `${range.first}-${range.last}/${protocol}`;
  return [...new Map([...below, ...above].map((port) => [key(port), port])).values()];
}

function imageVolumes(image: ImageDefaults, asked: readonly MountSpec[]): MountSpec[] {
  const targets = new Set(asked.map(({ target }) => target.replace(/\/+$/, "")));
  return Object.keys(image.Volumes ?? {})
    .filter((target) => !targets.has(target.replace(/\/+$/, "")))
    .map((target) => ({
      kind: "volume" as const,
      target,
      readOnly: false,
      noCopy: false,
      driverOptions: {},
      labels: {},
    }));
}

function mergeHealthcheck(
  asked: Healthcheck | undefined,
  image: NonNullable<ImageDefaults["Healthcheck"]> | undefined,
): Healthcheck | undefined {
  if (!image?.Test || asked?.test[0] === "NONE") return asked;
  const ms = (nanoseconds: number | undefined) => (nanoseconds ? nanoseconds / 1e6 : undefined);
  const merged = {
    intervalMs: asked?.intervalMs ?? ms(image.Interval),
    timeoutMs: asked?.timeoutMs ?? ms(image.Timeout),
    startPeriodMs: asked?.startPeriodMs ?? ms(image.StartPeriod),
    startIntervalMs: asked?.startIntervalMs ?? ms(image.StartInterval),
    retries: asked?.retries ?? (image.Retries || undefined),
  };
  const given = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
  return { test: asked && asked.test.length > 0 ? asked.test : image.Test, ...given };
}
