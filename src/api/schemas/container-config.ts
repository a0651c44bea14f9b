// What a container is made of, on the wire: Config and HostConfig, the body of create and update.

import { boolean, integer, list, map, object, type Static, string, stringOrList } from "./decode.ts";
import { endpointSettings } from "./endpoint.ts";

const nothing = object("struct {}", {});

const healthcheck = object("HealthConfig", {
  Test: list(string),
  Interval: integer,
  Timeout: integer,
  StartPeriod: integer,
  StartInterval: integer,
  Retries: integer,
});

const configFields = {
  Hostname: string,
  Domainname: string,
  User: string,
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  ExposedPorts: map(nothing),
  Tty: boolean,
  OpenStdin: boolean,
  StdinOnce: boolean,
  Env: list(string),
  Cmd: stringOrList,
  Healthcheck: healthcheck,
  ArgsEscaped: boolean,
  Image: string,
  Volumes: map(nothing),
  WorkingDir: string,
  Entrypoint: stringOrList,
  NetworkDisabled: boolean,
  /** Container-wide: before API 1.44. */
  MacAddress: string,
  OnBuild: list(string),
  Labels: map(string),
  StopSignal: string,
  StopTimeout: integer,
  Shell: stringOrList,
};

export const containerConfig = object("ContainerConfig", configFields);
export type ContainerConfig = Static<typeof containerConfig>;
/** As inspect shows it: Go's nil lists are null. */
export type ContainerConfigInspect = { readonly [K in keyof ContainerConfig]: ContainerConfig[K] | null };

const weightDevice = object("WeightDevice", { Path: string, Weight: integer });
const throttleDevice = object("ThrottleDevice", { Path: string, Rate: integer });
const device = object("DeviceMapping", {
  PathOnHost: string,
  PathInContainer: string,
  CgroupPermissions: string,
});
const deviceRequest = object("DeviceRequest", {
  Driver: string,
  Count: integer,
  DeviceIDs: list(string),
  Capabilities: list(list(string)),
  Options: map(string),
});
const ulimit = object("Ulimit", { Name: string, Hard: integer, Soft: integer });
const restartPolicy = object("RestartPolicy", { Name: string, MaximumRetryCount: integer });

const resourceFields = {
  CpuShares: integer,
  Memory: integer,
  NanoCpus: integer,
  CgroupParent: string,
  BlkioWeight: integer,
  BlkioWeightDevice: list(weightDevice),
  BlkioDeviceReadBps: list(throttleDevice),
  BlkioDeviceWriteBps: list(throttleDevice),
  BlkioDeviceReadIOps: list(throttleDevice),
  BlkioDeviceWriteIOps: list(throttleDevice),
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: string,
  CpusetMems: string,
  Devices: list(device),
  DeviceCgroupRules: list(string),
  DeviceRequests: list(deviceRequest),
  KernelMemory: integer,
  KernelMemoryTCP: integer,
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integer,
  OomKillDisable: boolean,
  PidsLimit: integer,
  Ulimits: list(ulimit),
  CpuCount: integer,
  CpuPercent: integer,
  IOMaximumIOps: integer,
  IOMaximumBandwidth: integer,
};

const mount = object("Mount", {
  Type: string,
  Source: string,
  Target: string,
  ReadOnly: boolean,
  Consistency: string,
  BindOptions: object("BindOptions", {
    Propagation: string,
    NonRecursive: boolean,
    CreateMountpoint: boolean,
    ReadOnlyNonRecursive: boolean,
    ReadOnlyForceRecursive: boolean,
  }),
  VolumeOptions: object("VolumeOptions", {
    NoCopy: boolean,
    Labels: map(string),
    Subpath: string,
    DriverConfig: object("Driver", { Name: string, Options: map(string) }),
  }),
  TmpfsOptions: object("TmpfsOptions", {
    SizeBytes: integer,
    Mode: integer,
    Options: list(list(string)),
  }),
  ImageOptions: object("ImageOptions", { Subpath: string }),
});
export type MountInput = Static<typeof mount>;

const portBinding = object("PortBinding", { HostIp: string, HostPort: string });

const hostFields = {
  Binds: list(string),
  ContainerIDFile: string,
  LogConfig: object("LogConfig", { Type: string, Config: map(string) }),
  NetworkMode: string,
  PortBindings: map(list(portBinding)),
  RestartPolicy: restartPolicy,
  AutoRemove: boolean,
  VolumeDriver: string,
  VolumesFrom: list(string),
  ConsoleSize: list(integer),
  Annotations: map(string),
  CapAdd: stringOrList,
  CapDrop: stringOrList,
  CgroupnsMode: string,
  Dns: list(string),
  DnsOptions: list(string),
  DnsSearch: list(string),
  ExtraHosts: list(string),
  GroupAdd: list(string),
  IpcMode: string,
  Cgroup: string,
  Links: list(string),
  OomScoreAdj: integer,
  PidMode: string,
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyRootfs: boolean,
  SecurityOpt: list(string),
  StorageOpt: map(string),
  Tmpfs: map(string),
  UTSMode: string,
  UsernsMode: string,
  ShmSize: integer,
  Sysctls: map(string),
  Runtime: string,
  Isolation: string,
  ...resourceFields,
  Mounts: list(mount),
  MaskedPaths: list(string),
  ReadonlyPaths: list(string),
  Init: boolean,
};

export const hostConfig = object("HostConfig", hostFields);
export type HostConfig = Static<typeof hostConfig>;
/** As inspect shows it: Go's nil lists are null. */
export type HostConfigInspect = { readonly [K in keyof HostConfig]: HostConfig[K] | null };

export const networkingConfig = object("NetworkingConfig", { EndpointsConfig: map(endpointSettings) });
export type NetworkingConfig = Static<typeof networkingConfig>;

export const createContainerRequest = object("CreateRequest", {
  ...configFields,
  HostConfig: hostConfig,
  NetworkingConfig: networkingConfig,
});
export type CreateContainerRequest = Static<typeof createContainerRequest>;

export interface CreateContainerResponse {
  readonly Id: string;
  readonly Warnings: readonly string[];
}

export const updateContainerRequest = object("UpdateConfig", {
  ...resourceFields,
  RestartPolicy: restartPolicy,
});
export type UpdateContainerRequest = Static<typeof updateContainerRequest>;
