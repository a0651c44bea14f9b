// The storage part of a create request: binds, mounts, tmpfs and anonymous volumes become one list.

import { posix } from "node:path";
import type {
  BindMount,
  MountSpec,
  StorageSpec,
  TmpfsMount,
  VolumeMount,
  VolumesFrom,
} from "../../engine/types.ts";
import { invalid, notImplemented } from "../../util/errors.ts";
import type { CreateContainerRequest, HostConfig, MountInput } from "../schemas/container-config.ts";
import { defined, nonEmpty } from "../text.ts";

/** Throws invalid on anything malformed and on two mounts at one place. */
export function readStorage(request: CreateContainerRequest): StorageSpec {
  const host = request.HostConfig ?? {};
  return {
    mounts: readMounts(request, host),
    volumesFrom: (host.VolumesFrom ?? []).map(readVolumesFrom),
    ...defined({ volumeDriver: nonEmpty(host.VolumeDriver), shmSizeBytes: readShmSize(host.ShmSize) }),
    storageOptions: host.StorageOpt ?? {},
    readonlyRootfs: host.ReadonlyRootfs ?? false,
  };
}

function readMounts(request: CreateContainerRequest, host: HostConfig): readonly MountSpec[] {
  const asked = [
    ...(host.Binds ?? []).map((text) => readBind(text, host.VolumeDriver)),
    ...(host.Mounts ?? []).map(readMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => readTmpfs(target, options)),
  ];
  const targets = new Set<string>();
  for (const { target } of asked) {
    if (targets.has(target)) throw invalid(`Duplicate mount point: ${target}`);
    targets.add(target);
  }
  const anonymous = Object.keys(request.Volumes ?? {}).map((target) =>
    anonymousVolume(readTarget(target, target)),
  );
  return [...asked, ...anonymous.filter(({ target }) => !targets.has(target))];
}

const propagations = new Set(["rprivate", "private", "rshared", "shared", "rslave", "slave"]);
const harmlessModes = new Set(["z", "Z", "consistent", "cached", "delegated", "default"]);

/** `source:target[:mode]`, `name:target[:mode]` or `target`. */
function readBind(text: string, volumeDriver: string | undefined): BindMount | VolumeMount {
  const parts = text.split(":");
  const [source = "", target, mode = ""] = parts.length === 1 ? ["", ...parts] : parts;
  if (parts.length > 3 || target === undefined || (parts.length > 1 && source === ""))
    throw invalid(`invalid volume specification: '${text}'`);
  const modes = mode === "" ? [] : mode.split(",");
  const where = {
    target: readTarget(target, text),
    readOnly: modes.includes("ro"),
    ...(mode !== "" && { mode }),
  };
  checkModes(modes, mode);
  const propagation = modes.find((word) => propagations.has(word));
  if (source.startsWith("/"))
    return {
      kind: "bind",
      source: posix.normalize(source),
      ...where,
      ...(propagation !== undefined && { propagation }),
      createSource: true,
      nonRecursive: false,
    };
  if (source !== "" && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(source))
    throw invalid(
      `${JSON.stringify(source)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  return {
    ...anonymousVolume(where.target),
    ...where,
    ...defined({ name: nonEmpty(source), driver: nonEmpty(volumeDriver) }),
    noCopy: modes.includes("nocopy"),
  };
}

function checkModes(modes: readonly string[], mode: string): void {
  const isKnown = (word: string) =>
    word === "ro" || word === "rw" || word === "nocopy" || propagations.has(word) || harmlessModes.has(word);
  if (!modes.every(isKnown) || (modes.includes("ro") && modes.includes("rw")))
    throw invalid(`invalid mode: ${mode}`);
}

function anonymousVolume(target: string): VolumeMount {
  return { kind: "volume", target, readOnly: false, noCopy: false, driverOptions: {}, labels: {} };
}

function readMount(input: MountInput): MountSpec {
  const type = input.Type ?? "";
  const wrong = (why: string) => invalid(`invalid mount config for type ${JSON.stringify(type)}: ${why}`);
  if (!["bind", "volume", "tmpfs"].includes(type)) {
    if (["npipe", "cluster", "image"].includes(type))
      throw notImplemented(`mounts of type ${type} are not implemented`);
    throw wrong("mount type unknown");
  }
  const foreign = foreignOptions(type, input);
  if (foreign !== undefined) throw wrong(`field ${foreign} must not be specified`);
  if (!input.Target) throw wrong("field Target must not be empty");
  const target = readTarget(input.Target, input.Target);
  if (type === "tmpfs") return tmpfsMount(target, input);
  if (type === "volume") return volumeMount(target, input);
  if (!input.Source) throw wrong("field Source must not be empty");
  if (!input.Source.startsWith("/"))
    throw wrong(`invalid mount path: '${input.Source}' mount path must be absolute`);
  return bindMount(target, input.Source, input);
}

/** Options that belong to another type of mount. */
function foreignOptions(type: string, input: MountInput): string | undefined {
  const owners = { BindOptions: "bind", VolumeOptions: "volume", TmpfsOptions: "tmpfs" } as const;
  const fields = ["BindOptions", "VolumeOptions", "TmpfsOptions"] as const;
  return fields.find((field) => input[field] !== undefined && owners[field] !== type);
}

function bindMount(target: string, source: string, { ReadOnly, BindOptions = {} }: MountInput): BindMount {
  const { Propagation } = BindOptions;
  if (Propagation && !propagations.has(Propagation))
    throw invalid(`invalid mount config for type "bind": invalid propagation mode: ${Propagation}`);
  return {
    kind: "bind",
    source: posix.normalize(source),
    target,
    readOnly: ReadOnly ?? false,
    ...(Propagation && { propagation: Propagation }),
    createSource: BindOptions.CreateMountpoint ?? false,
    nonRecursive: BindOptions.NonRecursive ?? false,
  };
}

function volumeMount(target: string, { Source, ReadOnly, VolumeOptions = {} }: MountInput): VolumeMount {
  return {
    ...anonymousVolume(target),
    ...defined({
      name: nonEmpty(Source),
      driver: nonEmpty(VolumeOptions.DriverConfig?.Name),
      subpath: nonEmpty(VolumeOptions.Subpath),
    }),
    readOnly: ReadOnly ?? false,
    noCopy: VolumeOptions.NoCopy ?? false,
    driverOptions: VolumeOptions.DriverConfig?.Options ?? {},
    labels: VolumeOptions.Labels ?? {},
  };
}

function tmpfsMount(target: string, { Source, ReadOnly, TmpfsOptions = {} }: MountInput): TmpfsMount {
  if (Source) throw invalid('invalid mount config for type "tmpfs": field Source must not be specified');
  const { SizeBytes, Mode, Options = [] } = TmpfsOptions;
  return {
    kind: "tmpfs",
    target,
    readOnly: ReadOnly ?? false,
    options: [
      ...(SizeBytes ? [`size=${SizeBytes}`] : []),
      ...(Mode ? [`mode=${Mode.toString(8)}`] : []),
      ...Options.map((pair) => pair.join("=")),
    ],
  };
}

function readTmpfs(target: string, options: string): TmpfsMount {
  const words = options.split(",").filter((word) => word !== "");
  return {
    kind: "tmpfs",
    target: readTarget(target, target),
    readOnly: words.includes("ro"),
    options: words,
  };
}

function readTarget(target: string, text: string): string {
  if (!target.startsWith("/"))
    throw invalid(
      `invalid volume specification: '${text}': invalid mount path: '${target}' mount path must be absolute`,
    );
  const path = posix.normalize(target).replace(/(.)\/$/, "$1");
  if (path === "/") throw invalid(`invalid volume specification: '${text}': destination can't be '/'`);
  return path;
}

function readVolumesFrom(text: string): VolumesFrom {
  const [container = "", mode = "rw"] = text.split(":");
  if (container === "") throw invalid(`invalid volumes-from specification: ${JSON.stringify(text)}`);
  if (!["ro", "rw", "z", "Z"].includes(mode)) throw invalid(`invalid mode for volumes-from: ${mode}`);
  return { container, readOnly: mode === "ro" };
}

function readShmSize(bytes: number | undefined): number | undefined {
  if (bytes !== undefined && bytes < 0) throw invalid("SHM size can not be less than 0");
  return bytes || undefined;
}
