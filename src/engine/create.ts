// What `docker create` does: the image's defaults, a name, a snapshot for the root file system, volumes, one record.

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { chooseCapabilities } from "../runtime/index.ts";
import { allDone } from "../util/all-done.ts";
import { errorKind, errorMessage, invalid, notFound } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import { Undo } from "../util/undo.ts";
import { Container, type ContainerRecord, neverStarted } from "./container.ts";
import { containerFolder } from "./folders.ts";
import { commandOf, withImageDefaults } from "./image-defaults.ts";
import { checkLimits } from "./limits.ts";
import { JsonFileLog, parseLogOptions } from "./logs/json-file.ts";
import { resolveMounts } from "./mounts.ts";
import { checkName, inventName } from "./names.ts";
import { checkNetworking, withNetworkNames } from "./networking.ts";
import type { EngineContext } from "./parts.ts";
import { parseSecurityOptions } from "./security-options.ts";
import { parseSignal } from "./signals.ts";
import { Streams } from "./streams.ts";
import type { ContainerSpec, CreatedContainer } from "./types.ts";

/** Checks what is asked and puts it on record, with a name and a root file system. @throws invalid, not-found, conflict */
export async function createContainer(
  context: EngineContext,
  asked: ContainerSpec,
): Promise<CreatedContainer> {
  const { registry, images, containerd, events } = context;
  const image = await images.resolve(asked.image, asked.platform);
  const spec = withNetworkNames(context, withDaemonDefaults(context, withImageDefaults(asked, image.config)));
  const command = commandOf(spec);
  const warnings = checkNetworking(context, spec);
  checkLogging(context, spec);
  checkProcess(context, spec);
  checkNamed(context, spec);
  await checkLimits(spec.resources);
  await using undo = new Undo(context.log);
  const id = newId();
  const name = asked.name === undefined ? inventName((it) => registry.isNameFree(it)) : checkName(asked.name);
  registry.claimName(name, id);
  undo.defer("release name", () => registry.releaseName(name, id));

  const folder = containerFolder(context, id);
  undo.defer("remove folder", () => rm(folder, { recursive: true, force: true }));
  undo.defer("remove snapshot", () => containerd.snapshots.remove(id));
  using hold = context.volumeHolds.open(id);
  const resolving = resolveMounts(context, spec, { hold, undo });
  // the label keeps the snapshot from containerd's garbage collector until a container record names it
  const labels = { "containerd.io/gc.root": new Date().toISOString() };
  const preparing = containerd.snapshots.prepare(id, image.chainId, labels).catch((error) => {
    // its layers have gone with it
    throw errorKind(error) === "not-found" ? notFound(`No such image: ${image.name}`, error) : error;
  });
  // what is still being made cannot be removed
  await allDone([resolving, preparing, mkdir(folder, { recursive: true, mode: 0o710 })]);
  const mounts = await resolving;
  const record: ContainerRecord = {
    id,
    name,
    createdAt: new Date(),
    spec: { ...spec, name },
    imageId: image.id,
    ...command,
    mounts: mounts.views,
    anonymousVolumes: mounts.anonymous,
    state: neverStarted,
    restartCount: 0,
    stoppedByHand: false,
  };
  const container = makeContainer(context, record);
  container.mounts = await preparing;
  await registry.add(container);
  undo.forget();
  events.publish("container", "create", id, container.attributes);
  return { id, warnings };
}

/** The live object of a record, new or restored. */
export function makeContainer(context: EngineContext, record: ContainerRecord): Container {
  const { driver, options } = loggingOf(context, record.spec);
  const path = join(containerFolder(context, record.id), `${record.id}-json.log`);
  const log = driver === "none" ? undefined : new JsonFileLog(path, parseLogOptions(options), context.log);
  return new Container(record, new Streams(record.spec.tty, log), log);
}

/** The driver and its options: the container's, else the daemon's. */
export function loggingOf(
  { settings }: EngineContext,
  spec: ContainerSpec,
): { driver: string; options: Readonly<Record<string, string>> } {
  const driver = spec.log.driver ?? settings.log.driver;
  const inherits = spec.log.driver === undefined || spec.log.driver === settings.log.driver;
  return { driver, options: inherits ? { ...settings.log.options, ...spec.log.options } : spec.log.options };
}

function withDaemonDefaults({ hostFacts, registry }: EngineContext, spec: ContainerSpec): ContainerSpec {
  const isPrivate = hostFacts.cgroupVersion === 2 && !spec.privileged;
  const mode = spec.networkMode;
  return {
    ...spec,
    cgroupnsMode: spec.cgroupnsMode ?? (isPrivate ? "private" : "host"),
    // by id, that what is named may be renamed; what is not there is told of later
    links: spec.links.map((link) => ({ ...link, container: idOf(registry, link.container) })),
    ...(mode.kind === "container" && {
      networkMode: { kind: "container", container: registry.find(mode.container).id },
    }),
  };
}

function idOf(registry: EngineContext["registry"], ref: string): string {
  try {
    return registry.find(ref).id;
  } catch {
    return ref;
  }
}

const runtimes: readonly (string | undefined)[] = [undefined, "runc", "io.containerd.runc.v2"];

/** Whatever the spec names must be there. @throws invalid */
function checkNamed({ registry }: EngineContext, spec: ContainerSpec): void {
  if (!runtimes.includes(spec.runtime)) throw invalid(`unknown or invalid runtime name: ${spec.runtime}`);
  const modes = [spec.ipcMode, spec.pidMode].flatMap(
    (mode) => /^container:(.*)$/.exec(mode ?? "")?.[1] ?? [],
  );
  const linked = spec.links.map(({ container }) => container);
  for (const ref of [...modes, ...linked]) {
    try {
      registry.find(ref);
    } catch (error) {
      const why = errorMessage(error);
      throw invalid(linked.includes(ref) ? `could not get container for ${ref}: ${why}` : why, error);
    }
  }
}

/** What a start would refuse for sure. @throws invalid */
function checkProcess({ hostFacts }: EngineContext, spec: ContainerSpec): void {
  parseSecurityOptions(spec.securityOptions);
  if (spec.stopSignal !== undefined) parseSignal(spec.stopSignal);
  const wish = { privileged: spec.privileged, add: spec.capAdd, drop: spec.capDrop };
  chooseCapabilities(wish, hostFacts.capabilities);
}

function checkLogging(context: EngineContext, spec: ContainerSpec): void {
  const { driver, options } = loggingOf(context, spec);
  if (driver !== "json-file" && driver !== "none") {
    throw invalid(`logger: no log driver named '${driver}' is registered`);
  }
  if (driver === "json-file") parseLogOptions(options);
}
