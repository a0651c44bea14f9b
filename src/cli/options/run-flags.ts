// The flags of `run` and `create`, in Docker's words.

import {
  bool,
  bytes,
  custom,
  decimal,
  duration,
  type FlagSpec,
  int,
  list,
  map,
  text,
  uint16,
} from "../flags/spec.ts";
import {
  checkAttach,
  checkDnsSearch,
  checkEnv,
  checkExtraHost,
  checkGpus,
  checkIpAddress,
  checkLabel,
  checkLink,
  checkSysctl,
  checkUlimit,
} from "./checks.ts";
import { checkBpsDevice, checkDeviceCgroupRule, checkIopsDevice, checkWeightDevice } from "./devices.ts";
import { checkMount } from "./mounts.ts";
import { checkNetwork } from "./networks.ts";

const general: readonly FlagSpec[] = [
  list("attach", "Attach to STDIN, STDOUT or STDERR", { short: "a", check: checkAttach }),
  list("device-cgroup-rule", "Add a rule to the cgroup allowed devices list", {
    check: checkDeviceCgroupRule,
  }),
  list("device", "Add a host device to the container"),
  custom("gpu-request", "gpus", "GPU devices to add to the container ('all' to pass all GPUs)", {
    since: "1.40",
    check: checkGpus,
  }),
  list("env", "Set environment variables", { short: "e", check: checkEnv }),
  list("env-file", "Read in a file of environment variables"),
  text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
  list("group-add", "Add additional groups to join"),
  text("hostname", "Container host name", { short: "h" }),
  text("domainname", "Container NIS domain name"),
  bool("interactive", "Keep STDIN open even if not attached", { short: "i" }),
  list("label", "Set meta data on a container", { short: "l", check: checkLabel }),
  list("label-file", "Read in a line delimited file of labels"),
  bool("read-only", "Mount the container's root filesystem as read only"),
  text("restart", "Restart policy to apply when a container exits", { initial: "no" }),
  text("stop-signal", "Signal to stop the container"),
  int("stop-timeout", "Timeout (in seconds) to stop a container", { since: "1.25" }),
  map("sysctl", "Sysctl options", { check: checkSysctl }),
  bool("tty", "Allocate a pseudo-TTY", { short: "t" }),
  custom("ulimit", "ulimit", "Ulimit options", { check: checkUlimit }),
  text("user", "Username or UID (format: <name|uid>[:<group|gid>])", { short: "u" }),
  text("workdir", "Working directory inside the container", { short: "w" }),
  bool("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
];

const security: readonly FlagSpec[] = [
  list("cap-add", "Add Linux capabilities"),
  list("cap-drop", "Drop Linux capabilities"),
  bool("privileged", "Give extended privileges to this container"),
  list("security-opt", "Security Options"),
  text("userns", "User namespace to use"),
  text(
    "cgroupns",
    "Cgroup namespace to use (host|private)\n'host':    Run the container in the Docker host's cgroup namespace\n'private': Run the container in its own private cgroup namespace\n'':        Use the cgroup namespace as configured by the\n           default-cgroupns-mode option on the daemon (default)",
    { since: "1.41" },
  ),
];

const network: readonly FlagSpec[] = [
  list("add-host", "Add a custom host-to-IP mapping (host:ip)", { check: checkExtraHost }),
  list("dns", "Set custom DNS servers", { check: checkIpAddress }),
  list("dns-opt", "Set DNS options", { hidden: true, sameAs: "dns-option" }),
  list("dns-option", "Set DNS options"),
  list("dns-search", "Set custom DNS search domains", { check: checkDnsSearch }),
  list("expose", "Expose a port or a range of ports"),
  text("ip", "IPv4 address (e.g., 172.30.100.104)"),
  text("ip6", "IPv6 address (e.g., 2001:db8::33)"),
  list("link", "Add link to another container", { check: checkLink }),
  list("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
  text("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
  list("publish", "Publish a container's port(s) to the host", { short: "p" }),
  bool("publish-all", "Publish all exposed ports to random ports", { short: "P" }),
  custom("network", "net", "Connect a container to a network", {
    hidden: true,
    sameAs: "network",
    check: checkNetwork,
  }),
  custom("network", "network", "Connect a container to a network", { check: checkNetwork }),
  list("net-alias", "Add network-scoped alias for the container", { hidden: true, sameAs: "network-alias" }),
  list("network-alias", "Add network-scoped alias for the container"),
];

const storage: readonly FlagSpec[] = [
  text("log-driver", "Logging driver for the container"),
  text("volume-driver", "Optional volume driver for the container"),
  list("log-opt", "Log driver options"),
  list("storage-opt", "Storage driver options for the container"),
  list("tmpfs", "Mount a tmpfs directory"),
  list("volumes-from", "Mount volumes from the specified container(s)"),
  list("volume", "Bind mount a volume", { short: "v" }),
  custom("mount", "mount", "Attach a filesystem mount to the container", { check: checkMount }),
];

const health: readonly FlagSpec[] = [
  text("health-cmd", "Command to run to check health"),
  duration("health-interval", "Time between running the check (ms|s|m|h) (default 0s)"),
  int("health-retries", "Consecutive failures needed to report unhealthy"),
  duration("health-timeout", "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"),
  duration(
    "health-start-period",
    "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)",
    { since: "1.29" },
  ),
  duration(
    "health-start-interval",
    "Time between running the check during the start period (ms|s|m|h) (default 0s)",
    { since: "1.44" },
  ),
  bool("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
];

const resources: readonly FlagSpec[] = [
  uint16("blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"),
  list("blkio-weight-device", "Block IO weight (relative device weight)", {
    check: checkWeightDevice,
    shownInitial: "[]",
  }),
  text("cidfile", "Write the container ID to the file"),
  text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
  text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
  int("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
  int("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
  int("cpu-rt-period", "Limit CPU real-time period in microseconds", { since: "1.25" }),
  int("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds", { since: "1.25" }),
  int("cpu-shares", "CPU shares (relative weight)", { short: "c" }),
  decimal("cpus", "Number of CPUs", { since: "1.25" }),
  list("device-read-bps", "Limit read rate (bytes per second) from a device", {
    check: checkBpsDevice,
    shownInitial: "[]",
  }),
  list("device-read-iops", "Limit read rate (IO per second) from a device", {
    check: checkIopsDevice,
    shownInitial: "[]",
  }),
  list("device-write-bps", "Limit write rate (bytes per second) to a device", {
    check: checkBpsDevice,
    shownInitial: "[]",
  }),
  list("device-write-iops", "Limit write rate (IO per second) to a device", {
    check: checkIopsDevice,
    shownInitial: "[]",
  }),
  bytes("kernel-memory", "Kernel memory limit"),
  bytes("memory", "Memory limit", { short: "m" }),
  bytes("memory-reservation", "Memory soft limit"),
  bytes("memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
  int("memory-swappiness", "Tune container memory swappiness (0 to 100)", { initial: "-1" }),
  bool("oom-kill-disable", "Disable OOM Killer"),
  int("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
  int("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
];

const lowLevel: readonly FlagSpec[] = [
  text("cgroup-parent", "Optional parent cgroup for the container"),
  text("ipc", "IPC mode to use"),
  text("isolation", "Container isolation technology"),
  text("pid", "PID namespace to use"),
  bytes("shm-size", "Size of /dev/shm"),
  text("uts", "UTS namespace to use"),
  text("runtime", "Runtime to use for this container"),
  bool("init", "Run an init inside the container that forwards signals and reaps processes", {
    since: "1.25",
  }),
  map("annotation", "Add an annotation to the container (passed through to the OCI runtime)", {
    since: "1.43",
  }),
];

/** All flags that describe a container. */
export const containerFlags: readonly FlagSpec[] = [
  ...general,
  ...security,
  ...network,
  ...storage,
  ...health,
  ...resources,
  ...lowLevel,
];
