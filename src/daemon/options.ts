// The daemon's options as a table: one row is a flag, its key in daemon.json, its kind and its default. Names are
// dockerd's; list flags are singular and their keys plural, as there.

/** `mapmap`: a map of maps, `driver=key=value` on the command line. */
export type OptionKind = "boolean" | "string" | "integer" | "list" | "map" | "mapmap";
export type OptionMap = Readonly<Record<string, string>>;
export type OptionValue =
  | boolean
  | string
  | number
  | readonly string[]
  | OptionMap
  | Readonly<Record<string, OptionMap>>;

export interface OptionRow {
  readonly flag: string;
  readonly short?: string;
  /** Key in daemon.json; undefined: only a flag. */
  readonly key?: string;
  readonly kind: OptionKind;
  readonly fallback: OptionValue;
  readonly help: string;
}

const row = (
  flag: string,
  kind: OptionKind,
  fallback: OptionValue,
  help: string,
  more: { short?: string; key?: string | null } = {},
): OptionRow => {
  const key = more.key === null ? undefined : (more.key ?? flag);
  return { flag, kind, fallback, help, ...(more.short && { short: more.short }), ...(key && { key }) };
};

export const optionRows: readonly OptionRow[] = [
  row(
    "allow-direct-routing",
    "boolean",
    false,
    "Let others reach published ports at containers' own addresses too",
  ),
  row("bip", "string", "", "IPv4 address and subnet of the default bridge, e.g. 192.168.1.5/24"),
  row("bip6", "string", "", "IPv6 address and subnet of the default bridge"),
  row(
    "bridge-accept-fwmark",
    "string",
    "",
    "Let packets with this firewall mark into bridge networks, mark[/mask]",
  ),
  row("bridge", "string", "", "Attach containers to this existing bridge, or 'none'", { short: "b" }),
  row(
    "cluster-advertise",
    "string",
    "",
    "How other hosts of the cluster reach this one: an interface or an address, with or without a port",
  ),
  row("cluster-data-port", "integer", 0, "UDP port of the tunnels between hosts (default 4789)"),
  row(
    "cluster-grace",
    "integer",
    0,
    "Seconds after which what a host has goes that is gone, for a cluster that is formed (default 300)",
  ),
  row(
    "cluster-store",
    "string",
    "",
    "Share networks with other hosts through this store, etcd://HOST:PORT,.../NAME",
  ),
  row("cluster-store-opt", "map", {}, "Options of the cluster's store, such as kv.cacertfile=FILE", {
    key: "cluster-store-opts",
  }),
  row("config-file", "string", "/etc/docker/daemon.json", "Daemon configuration file", { key: null }),
  row("containerd", "string", "", "containerd gRPC address (default: the system's, or one of our own)"),
  row("containerd-namespace", "string", "", "Containerd namespace to use (default: one per data root)"),
  row("data-root", "string", "/var/lib/tsdocker", "Root directory of persistent state"),
  row("debug", "boolean", false, "Enable debug mode", { short: "D" }),
  row("default-address-pool", "list", [], "Default address pools, base=CIDR,size=N", {
    key: "default-address-pools",
  }),
  row("default-gateway", "string", "", "Default gateway IPv4 address of the default bridge"),
  row("default-gateway-v6", "string", "", "Default gateway IPv6 address of the default bridge"),
  row("default-network-opt", "mapmap", {}, "Default options of networks, driver=key=value", {
    key: "default-network-opts",
  }),
  row("default-shm-size", "string", "64M", "Default size of /dev/shm"),
  row("dns", "list", [], "DNS servers for containers"),
  row("dns-opt", "list", [], "DNS options for containers", { key: "dns-opts" }),
  row("dns-search", "list", [], "DNS search domains for containers"),
  row(
    "driver",
    "map",
    {},
    "Load a driver of networks or addresses, NAME=MODULE: a folder, a file or a package",
    {
      key: "drivers",
    },
  ),
  row("exec-root", "string", "/var/run/tsdocker", "Root directory of run-time state"),
  row(
    "firewall-backend",
    "string",
    "",
    "Firewall back end: nftables or iptables (default: nftables where it works)",
  ),
  row("fixed-cidr", "string", "", "IPv4 range for containers on the default bridge"),
  row("fixed-cidr-v6", "string", "", "IPv6 range for containers on the default bridge"),
  row("group", "string", "docker", "Group of the unix socket", { short: "G" }),
  row("host", "list", [], "Daemon sockets to listen on", { short: "H", key: "hosts" }),
  row("host-gateway-ip", "list", [], "What 'host-gateway' stands for in --add-host", {
    key: "host-gateway-ips",
  }),
  row("icc", "boolean", true, "Containers on the default bridge may reach each other"),
  row("insecure-registry", "list", [], "Registries to reach without TLS verification", {
    key: "insecure-registries",
  }),
  row("ip", "string", "0.0.0.0", "Default address for published ports of the default bridge"),
  row("ip-forward", "boolean", true, "Enable IP forwarding on the host"),
  row(
    "ip-forward-no-drop",
    "boolean",
    false,
    "With iptables, leave the policy of FORWARD alone when enabling IP forwarding",
  ),
  row("ip-masq", "boolean", true, "Masquerade what leaves the default bridge"),
  row("ip6tables", "boolean", true, "Add firewall rules for IPv6"),
  row("iptables", "boolean", true, "Add firewall rules, whatever the back end"),
  row("ipv6", "boolean", false, "Enable IPv6 on the default bridge"),
  row("label", "list", [], "key=value labels of the daemon", { key: "labels" }),
  row("live-restore", "boolean", false, "Keep containers running while there is no daemon"),
  row("log-driver", "string", "json-file", "Default log driver of containers: json-file or none"),
  row("log-level", "string", "info", "Logging level: debug, info, warn, error, fatal", { short: "l" }),
  row("log-opt", "map", {}, "Default log options of containers", { key: "log-opts" }),
  row("max-concurrent-downloads", "integer", 3, "Concurrent downloads of a pull"),
  row("mtu", "integer", 0, "MTU of the default bridge (default: the uplink's, always)"),
  row("pidfile", "string", "", "Path of the PID file (default: tsdocker.pid in the exec-root's parent)", {
    short: "p",
  }),
  row("plugin-sockets", "string", "/run/docker/plugins", "Where plugins put their sockets"),
  row(
    "plugin-specs",
    "list",
    ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
    "Where files say how plugins are reached, NAME.spec and NAME.json",
  ),
  row("registry-mirror", "list", [], "Mirrors of Docker Hub", { key: "registry-mirrors" }),
  row(
    "resolv-conf",
    "string",
    "",
    "Take what containers know of the DNS from this file instead of the host's /etc/resolv.conf",
  ),
  row(
    "seccomp-profile",
    "string",
    "",
    "Path of a seccomp profile, or 'unconfined' (default: the packaged one)",
  ),
  row("shutdown-timeout", "integer", 15, "Seconds to wait for containers at shutdown"),
  row("tls", "boolean", false, "Use TLS; implied by --tlsverify"),
  row("tlscacert", "string", "", "Trust certificates signed by this CA"),
  row("tlscert", "string", "", "Path of the TLS certificate"),
  row("tlskey", "string", "", "Path of the TLS key"),
  row("tlsverify", "boolean", false, "Use TLS and verify the client"),
  row("userland-proxy", "boolean", false, "Forward every published port in user space"),
  row("validate", "boolean", false, "Validate the configuration and end", { key: null }),
];

const noSwarm = "there is no swarm here";

/** Settings of dockerd that nothing here can follow, by flag and key, with the reason. Whoever gives one is told. */
export const refusedOptions: ReadonlyMap<string, string> = new Map([
  ["network-control-plane-mtu", noSwarm],
  [
    "network-diagnostic-port",
    `${noSwarm}; see 'network inspect --verbose' for what a network has in the kernel`,
  ],
  ["swarm-default-advertise-addr", noSwarm],
  ["userland-proxy-path", "tsdocker-proxy, which also answers names, is the only proxy that there is"],
]);
