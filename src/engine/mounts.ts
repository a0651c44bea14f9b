// What is mounted into a container: sources made or checked, volumes made or found, folders shared with others.

import { mkdir, stat } from "node:fs/promises";
import { isAbsolute, join, normalize } from "node:path";
import { invalid } from "../util/errors.ts";
import { newId } from "../util/ids.ts";
import type { Undo } from "../util/undo.ts";
import type { EngineContext } from "./parts.ts";
import type { BindMount, ContainerSpec, MountSpec, MountView, TmpfsMount, VolumeMount } from "./types.ts";
import type { VolumeHold } from "./volume-holds.ts";
import { createVolume, removeVolume } from "./volume-use.ts";

export interface ResolvedMounts {
  readonly views: readonly MountView[];
  /** Volumes made for this container alone. */
  readonly anonymous: readonly string[];
}

/** Resolves every mount of a new container; what is made on the way is put on `undo`, and held until then. */
export async function resolveMounts(
  context: EngineContext,
  spec: ContainerSpec,
  { hold, undo }: Pick<Gathering, "hold" | "undo">,
): Promise<ResolvedMounts> {
  const byTarget = new Map<string, MountView>();
  const anonymous: string[] = [];
  for (const view of sharedMounts(context, spec)) {
    if (view.name !== undefined) hold.add(view.name);
    byTarget.set(view.target, view);
  }
  for (const mount of spec.mounts) {
    const target = checkTarget(mount);
    const view = await resolveMount(context, { ...mount, target }, { anonymous, hold, undo });
    byTarget.set(target, view);
  }
  return { views: [...byTarget.values()], anonymous };
}

/** Makes sure that the sources of binds are there when the container starts. @throws invalid in Docker's words */
export async function checkSources(spec: ContainerSpec): Promise<void> {
  for (const mount of spec.mounts) if (mount.kind === "bind") await ensureSource(mount);
}

function checkTarget(mount: MountSpec): string {
  if (!isAbsolute(mount.target)) {
    throw invalid(
      `invalid mount config for type "${mount.kind}": invalid mount path: '${mount.target}' mount path must be absolute`,
    );
  }
  const target = normalize(mount.target).replace(/(.)\/+$/, "$1");
  if (target === "/") throw invalid("invalid specification: destination can't be '/'");
  return target;
}

interface Gathering {
  readonly anonymous: string[];
  readonly hold: VolumeHold;
  readonly undo: Undo;
}

function resolveMount(context: EngineContext, mount: MountSpec, gathering: Gathering): Promise<MountView> {
  switch (mount.kind) {
    case "bind":
      return resolveBind(mount);
    case "volume":
      return resolveVolume(context, mount, gathering);
    case "tmpfs":
      return Promise.resolve(resolveTmpfs(mount));
  }
}

async function resolveBind(mount: BindMount): Promise<MountView> {
  if (!isAbsolute(mount.source)) {
    throw invalid(
      `invalid mount config for type "bind": invalid mount path: '${mount.source}' mount path must be absolute`,
    );
  }
  await ensureSource(mount);
  return {
    kind: "bind",
    source: mount.source,
    target: mount.target,
    mode: mount.readOnly ? "ro" : "",
    writable: !mount.readOnly,
    propagation: mount.propagation ?? "rprivate",
  };
}

async function ensureSource(mount: BindMount): Promise<void> {
  const isThere = await stat(mount.source).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  if (!mount.createSource) {
    throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${mount.source}`);
  }
  await mkdir(mount.source, { recursive: true });
}

async function resolveVolume(
  context: EngineContext,
  mount: VolumeMount,
  { anonymous, hold, undo }: Gathering,
): Promise<MountView> {
  const isAnonymous = mount.name === undefined;
  const name = mount.name ?? newId();
  hold.add(name);
  const { volume, isNew } = await createVolume(context, {
    name,
    isAnonymous,
    driver: mount.driver,
    labels: mount.labels,
    options: mount.driverOptions,
  });
  if (isNew) undo.defer("remove volume", () => removeVolume(context, name));
  if (isAnonymous) anonymous.push(name);
  return {
    kind: "volume",
    name,
    source: mount.subpath ? join(volume.mountpoint, mount.subpath) : volume.mountpoint,
    target: mount.target,
    driver: volume.driver,
    mode: mount.readOnly ? "ro" : mount.noCopy ? "nocopy" : isAnonymous ? "" : "z",
    writable: !mount.readOnly,
    propagation: "",
  };
}

function resolveTmpfs(mount: TmpfsMount): MountView {
  return {
    kind: "tmpfs",
    source: "",
    target: mount.target,
    mode: mount.options.join(","),
    writable: !mount.readOnly,
    propagation: "",
  };
}

function sharedMounts(context: EngineContext, spec: ContainerSpec): MountView[] {
  return spec.volumesFrom.flatMap(({ container, readOnly }) =>
    context.registry
      .find(container)
      .record.mounts.filter(({ kind }) => kind !== "tmpfs")
      .map((view) => (readOnly ? { ...view, writable: false, mode: "ro" } : view)),
  );
}
