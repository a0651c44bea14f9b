// The daemon's configuration: flags and file merged, text parsed into values once, contradictions refused.

import { dirname, join } from "node:path";
import { invalid } from "../util/errors.ts";
import { type ClusterConfig, parseCluster } from "./cluster-config.ts";
import { readConfigFile } from "./config-file.ts";
import type { GivenFlags } from "./flags.ts";
import { type ListenAddress, parseHosts, parseTls, type TlsConfig } from "./listen-config.ts";
import { type NetworkConfig, parseNetwork } from "./network-config.ts";
import { Settings } from "./settings.ts";

export interface Config {
  readonly hosts: readonly ListenAddress[];
  readonly group: string;
  readonly tls: TlsConfig | undefined;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidFile: string;
  /** Address of a containerd; undefined: the system's if it answers, else one of our own. */
  readonly containerd: string | undefined;
  readonly containerdNamespace: string;
  readonly debug: boolean;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  readonly labels: readonly string[];
  readonly shutdownTimeoutS: number;
  /** Containers go on while there is no daemon. */
  readonly liveRestore: boolean;
  readonly network: NetworkConfig;
  readonly cluster: ClusterConfig;
  readonly images: ImageConfig;
  readonly containers: ContainerConfig;
}

export interface ImageConfig {
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly maxConcurrentDownloads: number;
}

export interface ContainerConfig {
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly shmSize: number;
  /** A file's path, `unconfined`, or undefined for the packaged profile. */
  readonly seccompProfile: string | undefined;
}

/** Flags and daemon.json as one configuration. @throws invalid with what is wrong and where */
export function loadConfig(flags: GivenFlags): Config {
  const path = flags.get("config-file");
  const file = readConfigFile(typeof path === "string" ? path : "/etc/docker/daemon.json", flags);
  const settings = new Settings(flags, file);
  const execRoot = settings.path("exec-root");
  return {
    hosts: parseHosts(settings),
    group: settings.text("group"),
    tls: parseTls(settings),
    dataRoot: settings.path("data-root"),
    execRoot,
    pidFile: settings.text("pidfile") || join(dirname(execRoot), "tsdocker.pid"),
    containerd: settings.text("containerd").replace(/^unix:\/\//, "") || undefined,
    containerdNamespace: settings.text("containerd-namespace"),
    debug: settings.flag("debug"),
    logLevel: parseLogLevel(settings),
    labels: settings.list("label").map(checkLabel),
    shutdownTimeoutS: settings.number("shutdown-timeout"),
    liveRestore: settings.flag("live-restore"),
    network: parseNetwork(settings),
    cluster: parseCluster(settings),
    images: {
      insecureRegistries: settings.list("insecure-registry"),
      registryMirrors: settings.list("registry-mirror"),
      maxConcurrentDownloads: settings.number("max-concurrent-downloads"),
    },
    containers: {
      logDriver: parseLogDriver(settings.text("log-driver")),
      logOptions: settings.map("log-opt"),
      shmSize: parseSize("default-shm-size", settings.text("default-shm-size")),
      seccompProfile: settings.text("seccomp-profile") || undefined,
    },
  };
}

function parseLogLevel(settings: Settings): Config["logLevel"] {
  const level = settings.text("log-level");
  switch (level) {
    case "debug":
    case "info":
    case "warn":
    case "error":
    case "fatal":
      return settings.flag("debug") ? "debug" : level;
    default:
      throw invalid(`invalid logging level: ${level}`);
  }
}

function parseLogDriver(name: string): string {
  if (name === "json-file" || name === "none") return name;
  throw invalid(`logger: no log driver named '${name}' is registered (there are json-file and none)`);
}

function checkLabel(label: string): string {
  if (!label.includes("=")) throw invalid(`bad attribute format: ${label}: key=value is wanted`);
  return label;
}

/** `64M` in bytes. */
function parseSize(flag: string, text: string): number {
  const parts = /^([0-9]+)([bkmg]?)b?$/i.exec(text);
  if (!parts) throw invalid(`--${flag}: invalid size: '${text}'`);
  const unit = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(parts[2] || "b").toLowerCase()] ?? 1;
  return Number(parts[1]) * unit;
}
