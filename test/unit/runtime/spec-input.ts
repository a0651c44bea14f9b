// A specification's input with nothing wished for, for tests to change.

import type { HostFacts, SpecInput } from "../../../src/runtime/index.ts";
import { knownCapabilities } from "../../../src/runtime/oci/capabilities.ts";

export const host: HostFacts = {
  cgroupVersion: 2,
  hasSwapLimit: true,
  capabilities: knownCapabilities,
  hardLimits: { nofile: 20_000 },
  oomScoreAdjust: 0,
  devices: [{ type: "c", path: "/dev/kvm", major: 10, minor: 232 }],
  thermalPaths: ["/sys/devices/system/cpu/cpu0/thermal_throttle"],
  kernel: [6, 18],
  hasX32: false,
};

const own = { kind: "private" } as const;

export const plain: SpecInput = {
  id: "c0ffee",
  process: {
    args: ["sh"],
    env: [],
    terminal: false,
    user: { uid: 0, gid: 0 },
    noNewPrivileges: false,
  },
  hostname: "box",
  rootfs: { readonly: false },
  privileged: false,
  capAdd: [],
  capDrop: [],
  namespaces: { network: own, pid: own, ipc: own, uts: own, cgroup: own },
  mounts: [],
  files: [],
  shm: { kind: "private", sizeBytes: 64 << 20 },
  devices: [],
  deviceCgroupRules: [],
  resources: {},
  ulimits: [],
  sysctls: {},
  cgroup: { driver: "cgroupfs" },
  host,
};
