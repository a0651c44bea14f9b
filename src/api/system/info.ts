// GET /info.

import type { ClusterView, InfoFacts } from "../../engine/types.ts";
import { type Address, formatAddress, formatPrefix } from "../../netip/index.ts";
import type { InfoResponse } from "../schemas/system.ts";

export function infoWire(facts: InfoFacts, now: Date): InfoResponse {
  const { running, paused, stopped } = facts.containers;
  return {
    ID: facts.id,
    Containers: running + paused + stopped,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: stopped,
    Images: facts.images,
    Driver: facts.storageDriver,
    DriverStatus: facts.storageStatus,
    SystemTime: now.toISOString(),
    Name: facts.name,
    Labels: facts.labels,
    Debug: facts.debug,
    NFd: facts.fileDescriptors,
    NGoroutines: 0,
    NEventsListener: facts.eventListeners,
    DockerRootDir: facts.dataRoot,
    HttpProxy: facts.httpProxy,
    HttpsProxy: facts.httpsProxy,
    NoProxy: facts.noProxy,
    ExperimentalBuild: false,
    ServerVersion: facts.serverVersion,
    LiveRestoreEnabled: facts.liveRestore,
    GenericResources: null,
    CDISpecDirs: [],
    Warnings: facts.warnings.length > 0 ? facts.warnings : null,
    ...machine(facts),
    ...limits,
    ...runtimes(facts),
    ...networking(facts),
    ...registries(facts),
    Swarm: noSwarm,
    ...clusterInfo(facts.cluster),
  };
}

function machine(facts: InfoFacts) {
  return {
    KernelVersion: facts.kernelVersion,
    OperatingSystem: facts.operatingSystem,
    OSVersion: facts.osVersion,
    OSType: "linux",
    Architecture: facts.machine,
    NCPU: facts.cpus,
    MemTotal: facts.memoryBytes,
    CgroupDriver: facts.cgroupDriver,
    CgroupVersion: facts.cgroupVersion,
    SecurityOptions: facts.securityOptions,
    Isolation: "",
  };
}

// every kernel we run on (5.15 and later) has these controllers
const limits = {
  MemoryLimit: true,
  SwapLimit: true,
  CpuCfsPeriod: true,
  CpuCfsQuota: true,
  CPUShares: true,
  CPUSet: true,
  PidsLimit: true,
  OomKillDisable: false,
} as const;

function runtimes(facts: InfoFacts) {
  return {
    LoggingDriver: facts.logDriver,
    Runtimes: Object.fromEntries(Object.entries(facts.runtimes).map(([name, path]) => [name, { path }])),
    DefaultRuntime: facts.defaultRuntime,
    InitBinary: facts.initBinary,
    ContainerdCommit: { ID: facts.containerdVersion },
    RuncCommit: { ID: facts.runcVersion },
    InitCommit: { ID: "" },
    Containerd: {
      Address: facts.containerd.address,
      Namespaces: {
        Containers: facts.containerd.namespace,
        Plugins: `plugins.${facts.containerd.namespace}`,
      },
    },
  };
}

function networking(facts: InfoFacts) {
  return {
    Plugins: {
      Volume: facts.volumeDrivers,
      Network: facts.networkDrivers,
      Authorization: null,
      Log: facts.logDrivers,
    },
    IPv4Forwarding: facts.ipv4Forwarding,
    BridgeNfIptables: facts.bridgeNfIptables,
    BridgeNfIp6tables: facts.bridgeNfIp6tables,
    DefaultAddressPools: facts.defaultAddressPools.map(({ base, size }) => ({
      Base: formatPrefix(base),
      Size: size,
    })),
    FirewallBackend: { Driver: facts.firewall.driver, Info: facts.firewall.info },
  };
}

function registries(facts: InfoFacts) {
  const hub = { Name: "docker.io", Mirrors: facts.registryMirrors, Secure: true, Official: true };
  return {
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: {
      InsecureRegistryCIDRs: facts.insecureRegistries.map(formatPrefix),
      IndexConfigs: { "docker.io": hub },
      Mirrors: facts.registryMirrors.length > 0 ? facts.registryMirrors : null,
    },
  };
}

function clusterInfo(
  view: ClusterView | undefined,
): Pick<InfoResponse, "ClusterStore" | "ClusterAdvertise" | "Cluster"> {
  if (!view) return {};
  const { id, state, trouble = "", nodeId, nodes, store } = view;
  const self = nodes.find(({ isSelf }) => isSelf);
  return {
    ClusterStore: store.address,
    ClusterAdvertise: self ? formatEndpoint(self.address, self.dataPort) : "",
    Cluster: {
      ID: id,
      State: state,
      Trouble: trouble,
      NodeID: nodeId,
      Role: self?.role ?? "node",
      Nodes: nodes.length,
      Members: nodes.filter(({ role }) => role === "member").length,
    },
  };
}

const formatEndpoint = (address: Address, port: number) =>
  address.family === 6 ? `[${formatAddress(address)}]:${port}` : `${formatAddress(address)}:${port}`;

const noSwarm = {
  NodeID: "",
  NodeAddr: "",
  LocalNodeState: "inactive",
  ControlAvailable: false,
  Error: "",
  RemoteManagers: null,
} as const;
