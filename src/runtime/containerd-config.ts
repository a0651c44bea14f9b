// The configuration file of a containerd that serves one daemon and nobody else.

export interface ContainerdPaths {
  readonly root: string;
  readonly state: string;
  readonly address: string;
}

// What a daemon of ours never uses: Kubernetes' interface, the /opt installer (which would make /opt/containerd), the
// monitor that restarts containers (the engine does), tracing, and snapshotters that need file systems of their own.
const unused = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.restart",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
];

/** The file's text; read by containerd 1.6 and newer. */
export function configToml(paths: ContainerdPaths): string {
  return [
    "version = 2",
    `root = ${quote(paths.root)}`,
    `state = ${quote(paths.state)}`,
    `disabled_plugins = [${unused.map(quote).join(", ")}]`,
    "",
    "[grpc]",
    `  address = ${quote(paths.address)}`,
    "",
    "[ttrpc]",
    `  address = ${quote(`${paths.address}.ttrpc`)}`,
    "",
    "[debug]",
    '  level = "warn"',
    "",
  ].join("\n");
}

// JSON's strings are TOML's basic strings.
const quote = (text: string) => JSON.stringify(text);
