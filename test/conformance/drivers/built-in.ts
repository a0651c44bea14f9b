// The drivers that come with the engine, each as the conformance kit is to try it.

import createBridgeDriver from "../../../drivers/bridge/index.ts";
import createCniDriver from "../../../drivers/cni/index.ts";
import createHostDriver from "../../../drivers/host/index.ts";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import createNullIpam from "../../../drivers/ipam-null/index.ts";
import createIpvlanDriver from "../../../drivers/ipvlan/index.ts";
import createMacvlanDriver from "../../../drivers/macvlan/index.ts";
import createNoneDriver from "../../../drivers/none/index.ts";
import createOverlayDriver from "../../../drivers/overlay/index.ts";
import type { Subject } from "../../../src/driververify/index.ts";
import type { Undo } from "../../../src/util/undo.ts";
import { lacksPlugins } from "../../lab/drivers/cni-world.ts";
import { lacksLinkKind } from "../../lab/drivers/kernel.ts";
import { openClusterIpam } from "./cluster-ipam.ts";
import { ptpTraits } from "./cni-conf.ts";
import { serveAddresses, serveLan } from "./plugins.ts";

export interface Tried {
  /** Why it cannot be tried here; undefined: it can. */
  readonly lacks?: () => Promise<string | undefined>;
  /** What it needs besides goes with `undo`. */
  readonly open: (undo: Undo) => Promise<Subject>;
}

const lacksIpvlan = async () =>
  (await lacksLinkKind("ipvlan")) ? "this kernel has no ipvlan (CONFIG_IPVLAN)" : undefined;

/** By the name of their folder. */
export const builtIn = {
  bridge: module(createBridgeDriver, {
    wrongOption: { "com.docker.network.bridge.enable_icc": "perhaps" },
  }),
  cni: {
    lacks: async () => lacksPlugins,
    open: async (undo) => ({
      kind: "network",
      factory: createCniDriver,
      traits: await ptpTraits(undo),
    }),
  },
  host: module(createHostDriver),
  "ipam-cluster": { open: async () => ({ kind: "ipam stage", open: openClusterIpam }) },
  "ipam-default": { open: async () => ({ kind: "ipam", factory: createDefaultIpam }) },
  "ipam-null": { open: async () => ({ kind: "ipam", factory: createNullIpam }) },
  "ipam-remote": {
    open: async (undo) => ({ kind: "ipam plugin", path: (await serveAddresses(undo)).path }),
  },
  ipvlan: {
    lacks: lacksIpvlan,
    ...module(createIpvlanDriver, {
      networkOptions: { parent: "eth0" },
      wrongOption: { ipvlan_mode: "perhaps" },
    }),
  },
  macvlan: module(createMacvlanDriver, {
    networkOptions: { parent: "eth0" },
    wrongOption: { macvlan_mode: "perhaps" },
  }),
  none: module(createNoneDriver),
  overlay: {
    open: async () => ({ kind: "network", factory: createOverlayDriver, inCluster: true }),
  },
  remote: {
    open: async (undo) => ({
      kind: "network plugin",
      ...(await serveLan(undo)),
      traits: { networkOptions: { parent: "eth0" }, wrongOption: { parent: "nowhere" } },
    }),
  },
} satisfies Record<string, Tried>;

type NetworkSubject = Extract<Subject, { readonly kind: "network" }>;

function module(
  factory: NetworkSubject["factory"],
  traits: NonNullable<Subject["traits"]> = {},
): Pick<Tried, "open"> {
  return { open: async () => ({ kind: "network", factory, traits }) };
}
