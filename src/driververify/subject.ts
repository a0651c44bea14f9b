// What is verified, and what its checks stand on: a stage, and scenes of it that leave nothing behind.

import type {
  DriverTraits,
  IpamDriver,
  IpamDriverFactory,
  NetworkDriverFactory,
} from "../driverapi/index.ts";
import type { IpamFacts } from "./ipam-needs.ts";
import { IpamScene, type IpamStage } from "./ipam-scene.ts";
import type { NetworkFacts } from "./network-needs.ts";
import { type Random, randomFrom } from "./random.ts";
import { Scene } from "./scene.ts";
import type { Stage } from "./stage.ts";
import { openKernelStage } from "./stages/kernel-stage.ts";
import { madeBy } from "./stages/made-by.ts";
import { openIpamPlugin, openPluginStage, type PluginPlace, whyNoKinds } from "./stages/plugin-stage.ts";
import { tryNetworks } from "./trial.ts";
import type { Watch } from "./watch.ts";

/** What is verified. */
export type Subject = { readonly traits?: DriverTraits } & (
  | { readonly kind: "network"; readonly factory: NetworkDriverFactory; readonly inCluster?: boolean }
  | { readonly kind: "ipam"; readonly factory: IpamDriverFactory }
  | ({ readonly kind: "network plugin" } & PluginPlace)
  | ({ readonly kind: "ipam plugin" } & PluginPlace)
  | { readonly kind: "network stage"; readonly open: () => Promise<Stage> }
  | { readonly kind: "ipam stage"; readonly open: () => Promise<IpamStage> }
);

export type IpamSubject = Extract<Subject, { readonly kind: "ipam" | "ipam plugin" | "ipam stage" }>;
export type NetworkSubject = Exclude<Subject, IpamSubject>;

export function isIpam(subject: Subject): subject is IpamSubject {
  return subject.kind === "ipam" || subject.kind === "ipam plugin" || subject.kind === "ipam stage";
}

/** What a group of checks stands on. */
export interface Ground<S, F> extends AsyncDisposable {
  readonly facts: F;
  /** Trying the driver has left something: it is good for nothing else. */
  readonly isSpent: boolean;
  scene(random: Random): S;
  /** Undoes what a check did; words for what it could not. */
  clear(scene: S): Promise<readonly string[]>;
}

export interface GroundParts<F> {
  readonly traits: DriverTraits;
  readonly watch: Watch;
  /** What an earlier ground of the same driver found out. */
  readonly known?: F | undefined;
}

function openStage(subject: NetworkSubject): Promise<Stage> {
  if (subject.kind === "network stage") return subject.open();
  if (subject.kind === "network plugin") return openPluginStage(subject);
  return openKernelStage(subject.factory, subject);
}

export async function openNetworkGround(
  subject: NetworkSubject,
  { traits, watch, known }: GroundParts<NetworkFacts>,
): Promise<Ground<Scene, NetworkFacts>> {
  const stage = await openStage(subject);
  const first = { stage, traits, watch, before: await stage.remains() };
  const probe = new Scene({ ...first, random: randomFrom(0), hasLinks: true, shared: new Map() });
  // who failed the first time, or left something, is not tried again
  const isTried = !known || known.trial?.leavesNothing === true;
  const trial = isTried ? await tryNetworks(probe) : known.trial;
  // a rule that the first network brought may be the host's for good (forwarding)
  const before = { ...first.before, rules: (await stage.remains()).rules };
  const hasLinks = !trial || trial.link !== undefined;
  const parts = { ...first, before, hasLinks, shared: new Map() };
  return {
    facts: { driver: stage.driver, traits, stage, trial },
    isSpent: isTried && trial?.leavesNothing !== true,
    scene: (random) => new Scene({ ...parts, random }),
    async clear(scene) {
      await scene.clear();
      return await scene.difference();
    },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

export async function openIpamGround(
  subject: IpamSubject,
  { traits, watch }: GroundParts<IpamFacts>,
): Promise<Ground<IpamScene, IpamFacts>> {
  const stage = await openIpamStage(subject);
  const parts = { stage, traits, watch, random: randomFrom(0), leases: true };
  const space = await localSpace(new IpamScene({ ...parts, space: "" }).driver);
  const probe = new IpamScene({ ...parts, space });
  const leases = await probe.anyPool().then(
    ({ pool }) => pool.length > 0,
    () => true,
  );
  await probe.clear().catch(() => undefined);
  return {
    facts: { driver: stage.driver, traits, stage, leases },
    isSpent: false,
    scene: (random) => new IpamScene({ ...parts, random, space, leases }),
    async clear(scene) {
      await scene.clear();
      return [];
    },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

/** What has no spaces is told by the rule about them. */
async function localSpace(driver: IpamDriver): Promise<string> {
  try {
    return (await driver.defaultAddressSpaces()).local;
  } catch {
    return "";
  }
}

async function openIpamStage(subject: IpamSubject): Promise<IpamStage> {
  if (subject.kind === "ipam stage") return await subject.open();
  if (subject.kind === "ipam plugin") {
    const { driver, close } = await openIpamPlugin(subject);
    return {
      driver,
      whyNoKinds,
      whyNoRestart: "a plugin's memory is its own: the kit does not end it",
      restart: async () => undefined,
      [Symbol.asyncDispose]: async () => close(),
    };
  }
  return new IpamModule(() => madeBy(() => subject.factory({ defaultPools: [], hostId: "verify" })));
}

class IpamModule implements IpamStage {
  readonly whyNoKinds = undefined;
  readonly whyNoRestart = undefined;
  driver: IpamDriver;
  readonly #create: () => IpamDriver;

  constructor(create: () => IpamDriver) {
    this.#create = create;
    this.driver = create();
  }

  async restart(): Promise<void> {
    this.driver = this.#create();
  }

  [Symbol.asyncDispose] = async () => undefined;
}
