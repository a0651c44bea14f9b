// An engine for the API's tests: what a test does not give throws, so that a route which calls something else is seen.

import { PassThrough } from "node:stream";
import type {
  AttachSession,
  ContainerSpec,
  ContainerView,
  EndpointView,
  Engine,
  InfoFacts,
  NetworkInspection,
  OutputChunk,
} from "../../../src/engine/types.ts";
import { type Address, type Prefix, parseAddress, parseMac, parsePrefix } from "../../../src/netip/index.ts";

type Given = { readonly [K in keyof Engine]?: Partial<Engine[K]> };

export function fakeEngine(given: Given = {}): Engine {
  const group = <K extends keyof Engine>(name: K): Engine[K] =>
    new Proxy((given[name] ?? {}) as Engine[K] & object, {
      get(target, key) {
        if (key in target) return Reflect.get(target, key);
        return () => {
          throw new Error(`the test gives no ${name}.${String(key)}`);
        };
      },
    }) as Engine[K];
  return {
    system: group("system"),
    containers: group("containers"),
    execs: group("execs"),
    networks: group("networks"),
    services: group("services"),
    images: group("images"),
    volumes: group("volumes"),
    cluster: group("cluster"),
    plugins: group("plugins"),
  };
}

export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(`${text} is no address`);
  return parsed;
}

export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (!parsed) throw new Error(`${text} is no prefix`);
  return parsed;
}

export const c1Id = `c1${"0".repeat(62)}`;
export const x1Id = `a1${"0".repeat(62)}`;
export const imageId = `sha256:${"1".repeat(64)}`;

export function containerSpec(given: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    image: "nginx",
    labels: {},
    annotations: {},
    resources: {},
    restartPolicy: { name: "no", maximumRetryCount: 0 },
    autoRemove: false,
    log: { options: {} },
    given: { config: {}, hostConfig: {} },
    env: ["PATH=/bin"],
    tty: false,
    openStdin: false,
    stdinOnce: false,
    attachStdin: false,
    attachStdout: true,
    attachStderr: true,
    networkDisabled: false,
    networkMode: { kind: "network", network: "x1" },
    endpoints: [],
    exposedPorts: [],
    portBindings: [],
    publishAllPorts: false,
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    extraHosts: [],
    links: [],
    sysctls: {},
    mounts: [],
    volumesFrom: [],
    storageOptions: {},
    readonlyRootfs: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    securityOptions: [],
    groupAdd: [],
    ...given,
  };
}

export function endpointView(given: Partial<EndpointView> = {}): EndpointView {
  const mac = parseMac("02:42:ac:12:00:02");
  return {
    spec: {
      network: "x1",
      linkLocal: [],
      aliases: [],
      links: [],
      driverOptions: {},
      gatewayPriority: 0,
    },
    networkName: "x1",
    networkId: x1Id,
    endpointId: `e1${"0".repeat(62)}`,
    ...(mac && { mac }),
    ipv4: prefix("172.18.0.2/16"),
    gatewayIpv4: address("172.18.0.1"),
    dnsNames: ["c1", c1Id.slice(0, 12)],
    ...given,
  };
}

export function containerView(given: Partial<ContainerView> = {}): ContainerView {
  return {
    id: c1Id,
    name: "c1",
    createdAt: new Date("2026-11-01T10:00:00Z"),
    spec: containerSpec(),
    imageId,
    path: "nginx",
    args: ["-g", "daemon off;"],
    state: {
      status: "running",
      pid: 4711,
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedAt: new Date("2026-11-01T10:00:01Z"),
    },
    restartCount: 0,
    storageDriver: "overlayfs",
    mounts: [],
    network: {
      sandboxId: "5b",
      sandboxKey: "/run/netns/5b",
      endpoints: [endpointView()],
      publishedPorts: [],
    },
    execIds: [],
    ...given,
  };
}

export function networkView(given: Partial<NetworkInspection> = {}): NetworkInspection {
  return {
    id: x1Id,
    name: "x1",
    createdAt: new Date("2026-11-01T09:00:00.120Z"),
    driver: "bridge",
    scope: "local",
    internal: false,
    attachable: false,
    ingress: false,
    configOnly: false,
    enableIpv4: true,
    enableIpv6: false,
    ipam: {
      driver: "default",
      options: {},
      pools: [{ subnet: prefix("172.18.0.0/16"), gateway: address("172.18.0.1"), auxiliaryAddresses: {} }],
    },
    options: {},
    labels: {},
    predefined: false,
    members: [],
    pools: [{ subnet: prefix("172.18.0.0/16"), inUse: 3n, available: 65532n }],
    effective: { "com.docker.network.driver.mtu": "1500" },
    peers: [],
    ...given,
  };
}

/** A process whose ends the test holds. */
export class FakeProcess {
  readonly stdin = new PassThrough();
  readonly detached: string[] = [];
  readonly session: AttachSession;
  readonly #output = new PassThrough({ objectMode: true });

  constructor(options: { readonly tty?: boolean; readonly stdin?: boolean } = {}) {
    this.session = {
      tty: options.tty ?? false,
      output: this.#output as AsyncIterable<OutputChunk>,
      ...(options.stdin !== false && { input: this.stdin }),
      detach: (why) => {
        this.detached.push(why);
        if (!this.#output.writableEnded) this.#output.end();
      },
    };
  }

  /** The process writes. */
  write(stream: OutputChunk["stream"], text: string): void {
    this.#output.write({ stream, data: Buffer.from(text) } satisfies OutputChunk);
  }

  /** The process ends. */
  exit(): void {
    this.#output.end();
  }

  /** Copies its stdin to its stdout, and ends with it: `cat`. */
  becomeCat(): this {
    this.stdin.on("data", (data: Buffer) => this.#output.write({ stream: "stdout", data }));
    this.stdin.on("end", () => this.exit());
    return this;
  }
}

/** Of a machine with nothing on it. */
export const infoFacts: InfoFacts = {
  id: "7TRN",
  name: "vm",
  labels: [],
  containers: { running: 1, paused: 0, stopped: 2 },
  images: 3,
  storageDriver: "overlayfs",
  storageStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
  dataRoot: "/var/lib/tsdocker",
  logDriver: "json-file",
  cgroupDriver: "cgroupfs",
  cgroupVersion: "2",
  networkDrivers: ["bridge", "host", "none"],
  volumeDrivers: ["local"],
  logDrivers: ["json-file", "none"],
  kernelVersion: "6.18.0",
  operatingSystem: "Debian GNU/Linux 12",
  osVersion: "12",
  machine: "x86_64",
  cpus: 2,
  memoryBytes: 1024,
  ipv4Forwarding: true,
  bridgeNfIptables: false,
  bridgeNfIp6tables: false,
  debug: false,
  fileDescriptors: 30,
  eventListeners: 0,
  defaultRuntime: "runc",
  runtimes: { runc: "runc" },
  initBinary: "",
  containerdVersion: "1.6.20",
  runcVersion: "1.1.5",
  containerd: { address: "/run/containerd.sock", namespace: "moby" },
  securityOptions: ["name=seccomp,profile=builtin"],
  insecureRegistries: [prefix("127.0.0.0/8")],
  registryMirrors: [],
  defaultAddressPools: [{ base: prefix("172.17.0.0/16"), size: 16 }],
  firewall: { driver: "nftables", info: [] },
  liveRestore: false,
  httpProxy: "",
  httpsProxy: "",
  noProxy: "",
  serverVersion: "0.1.0",
  warnings: [],
};
