// The OCI specification of a plugin (moby's plugin/v2/plugin_linux.go): a container with what its config.json asks for.

import {
  buildSpec,
  grantDevices,
  type HostFacts,
  type NamespaceChoice,
  type OciMount,
  type OciSpec,
} from "../runtime/index.ts";
import { invalid } from "../util/errors.ts";
import type { PluginRecord } from "./record.ts";

/** Where a plugin's socket is inside. */
export const socketFolderInside = "/run/docker/plugins";

export interface PluginPlaces {
  /** On the host: where its socket is. */
  readonly sockets: string;
  /** On the host: what it mounts into its propagated mount. */
  readonly propagated: string;
}

/** @throws invalid when something is still to be set, or a capability or device does not exist */
export async function specOfPlugin(
  record: PluginRecord,
  places: PluginPlaces,
  host: HostFacts,
): Promise<OciSpec> {
  const { id, config, settings } = record;
  const shares = (is: boolean): NamespaceChoice => ({ kind: is ? "host" : "private" });
  const devices = await Promise.all(
    settings.Devices.flatMap(({ Path: path }) =>
      path ? [grantDevices({ hostPath: path, containerPath: path, permissions: "rwm" })] : [],
    ),
  );
  return buildSpec({
    id,
    process: {
      args: [...config.Entrypoint, ...settings.Args],
      env: settings.Env,
      ...(config.WorkDir && { cwd: config.WorkDir }),
      terminal: false,
      user: { uid: config.User.UID ?? 0, gid: config.User.GID ?? 0 },
      noNewPrivileges: false,
    },
    hostname: id.slice(0, 12),
    rootfs: { readonly: false },
    privileged: false,
    capAdd: config.Linux.Capabilities ?? [],
    capDrop: [],
    namespaces: {
      network: shares(config.Network.Type === "host"),
      pid: shares(config.PidHost),
      ipc: shares(config.IpcHost),
      uts: { kind: "private" },
      cgroup: { kind: "private" },
    },
    mounts: mountsOf(record, places),
    files: [],
    shm: { kind: "private", sizeBytes: 64 << 20 },
    devices: devices.flat(),
    deviceCgroupRules: config.Linux.AllowAllDevices ? ["a *:* rwm"] : [],
    resources: {},
    ulimits: [],
    sysctls: {},
    cgroup: { driver: "cgroupfs" },
    host,
  });
}

function mountsOf({ config, settings }: PluginRecord, { sockets, propagated }: PluginPlaces): OciMount[] {
  const bind = (source: string, destination: string, options: readonly string[]): OciMount => ({
    destination,
    source,
    type: "bind",
    options,
  });
  const own = settings.Mounts.map(({ Name, Source, Destination, Type, Options }) => {
    if (Source === null || (Source === "" && Type === "bind"))
      throw invalid(`plugin config: the source of mount ${Name || Destination} is not set`);
    return { destination: Destination, source: Source, type: Type, options: Options ?? [] };
  });
  return [
    ...own,
    bind(sockets, socketFolderInside, ["rbind", "rshared"]),
    ...(config.PropagatedMount ? [bind(propagated, config.PropagatedMount, ["rbind", "rw", "rshared"])] : []),
    // as in the host's own network, names are looked up by the host's files
    ...(config.Network.Type === ""
      ? []
      : ["/etc/hosts", "/etc/resolv.conf"].map((path) => bind(path, path, ["rbind", "ro"]))),
  ];
}
