// One driver on its stage, check after check. A check that fails costs the stage: what it has left must not make others
// fail.

import type { IpamDriver, IpamDriverFactory, NetworkDriverFactory } from "../driverapi/index.ts";
import { errorMessage } from "../util/errors.ts";
import { Broken, type Check, groupOf, NotApplicable } from "./check.ts";
import { ipamChecks, networkChecks } from "./checks/index.ts";
import { IpamScene, type IpamStage } from "./ipam-scene.ts";
import { randomFrom } from "./random.ts";
import { Scene } from "./scene.ts";
import type { NetworkTraits, Stage } from "./stage.ts";
import { openKernelStage } from "./stages/kernel-stage.ts";
import { openIpamPlugin, openPluginStage, type PluginPlace, whyNoKinds } from "./stages/plugin-stage.ts";
import { Transcript } from "./transcript.ts";

/** What is verified. */
export type Subject =
  | { readonly kind: "network"; readonly factory: NetworkDriverFactory; readonly inCluster?: boolean }
  | { readonly kind: "ipam"; readonly factory: IpamDriverFactory }
  | ({ readonly kind: "network plugin" } & PluginPlace)
  | ({ readonly kind: "ipam plugin" } & PluginPlace)
  | { readonly kind: "network stage"; readonly open: () => Promise<Stage> };

export interface VerifyOptions extends NetworkTraits {
  /** Of all that is left to chance. */
  readonly seed?: number;
}

export interface Failure {
  readonly expected: string;
  readonly got: string;
  readonly hint?: string;
  /** The last calls with what came back, oldest first. */
  readonly calls: readonly string[];
}

export interface Outcome {
  readonly id: string;
  readonly group: string;
  readonly rule: string;
  readonly where: string;
  readonly status: "passed" | "failed" | "not applicable";
  /** Why it is not applicable. */
  readonly reason?: string;
  readonly failure?: Failure;
}

/** A check without the scene that it needs. */
export type CheckFacts = Pick<Check<never>, "id" | "rule" | "where">;

/** What a group of checks stands on. */
interface Ground<S> extends AsyncDisposable {
  scene(random: ReturnType<typeof randomFrom>): S;
  /** Undoes what a check did; words for what it could not. */
  clear(scene: S): Promise<readonly string[]>;
}

/** Owns the stage. Checks run one at a time. */
class Session<S> implements VerifySession {
  readonly checks: readonly Check<S>[];
  readonly #open: (transcript: Transcript) => Promise<Ground<S>>;
  readonly #seed: number;
  readonly #transcript = new Transcript();
  #ground: Ground<S> | undefined;

  constructor(
    checks: readonly Check<S>[],
    open: (transcript: Transcript) => Promise<Ground<S>>,
    seed: number,
  ) {
    this.checks = checks;
    this.#open = open;
    this.#seed = seed;
  }

  async run(id: string): Promise<Outcome> {
    const check = this.checks.find((each) => each.id === id);
    if (!check) throw new RangeError(`there is no check ${id}`);
    const { rule, where } = check;
    const facts = { id, group: groupOf(check), rule, where };
    this.#transcript.clear();
    const ended = await this.#try(check);
    if (ended === undefined) return { ...facts, status: "passed" };
    if (ended instanceof NotApplicable) return { ...facts, status: "not applicable", reason: ended.message };
    await this.#dropGround();
    return { ...facts, status: "failed", failure: this.#failure(ended, check) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dropGround();
  }

  /** Undefined: the rule is kept. */
  async #try(check: Check<S>): Promise<unknown> {
    // what keeps the stage from being made is no rule's business
    this.#ground ??= await this.#open(this.#transcript);
    const ground = this.#ground;
    const scene = ground.scene(randomFrom(this.#seed));
    try {
      const ended = await outcomeOf(() => check.run(scene));
      if (ended !== undefined && !(ended instanceof NotApplicable)) return ended;
      const left = await ground.clear(scene);
      if (left.length > 0)
        return new Broken("nothing left when all that was made was deleted", left.join("; "));
      return ended;
    } catch (error) {
      return error;
    }
  }

  async #dropGround(): Promise<void> {
    const ground = this.#ground;
    this.#ground = undefined;
    try {
      await ground?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#transcript.note(`the stage could not be taken away: ${errorMessage(error)}`);
    }
  }

  #failure(error: unknown, { hint }: Check<S>): Failure {
    const calls = this.#transcript.last(8);
    if (!(error instanceof Broken))
      return {
        expected: "a call that succeeds",
        got: errorMessage(error),
        ...(hint !== undefined && { hint }),
        calls,
      };
    const told = error.hint ?? hint;
    return { expected: error.expected, got: error.got, ...(told !== undefined && { hint: told }), calls };
  }
}

/** What it throws; undefined when it does not. */
async function outcomeOf(work: () => unknown): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error ?? new Error("undefined was thrown");
  }
}

/** What there is to run, and the running of it. */
export interface VerifySession {
  readonly checks: readonly CheckFacts[];
  [Symbol.asyncDispose](): Promise<void>;
  /** Rejects when the stage, or the driver itself, cannot be made; never for what a driver does. */
  run(id: string): Promise<Outcome>;
}

/** Begins with a driver; nothing is made before the first check. */
export function openSession(subject: Subject, options: VerifyOptions = {}): VerifySession {
  const { seed = 1 } = options;
  return subject.kind === "ipam" || subject.kind === "ipam plugin"
    ? new Session(ipamChecks, (transcript) => openIpamGround(subject, transcript), seed)
    : new Session(networkChecks, (transcript) => openGround(subject, options, transcript), seed);
}

type NetworkSubject = Exclude<Subject, { readonly kind: "ipam" | "ipam plugin" }>;

function openStage(subject: NetworkSubject): Promise<Stage> {
  if (subject.kind === "network stage") return subject.open();
  if (subject.kind === "network plugin") return openPluginStage(subject);
  return openKernelStage(subject.factory, subject);
}

async function openGround(
  subject: NetworkSubject,
  traits: NetworkTraits,
  transcript: Transcript,
): Promise<Ground<Scene>> {
  const stage = await openStage(subject);
  const first = { stage, traits, transcript, before: await stage.remains() };
  const hasLinks = await givesLinks(new Scene({ ...first, random: randomFrom(0), hasLinks: true }));
  // a rule that the first network brought may be the host's for good (forwarding)
  const before = { ...first.before, rules: (await stage.remains()).rules };
  const parts = { ...first, before };
  transcript.clear();
  return {
    scene: (random) => new Scene({ ...parts, random, hasLinks }),
    async clear(scene) {
      await scene.clear();
      return await scene.difference();
    },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

/** Whether joining answers a link; a driver that cannot even join is taken for one that should. */
async function givesLinks(scene: Scene): Promise<boolean> {
  try {
    const network = await scene.madeNetwork();
    const { response } = await scene.connected(network);
    await scene.clear();
    return response.link !== undefined;
  } catch {
    await scene.clear().catch(() => undefined);
    return true;
  }
}

async function openIpamGround(
  subject: Extract<Subject, { readonly kind: "ipam" | "ipam plugin" }>,
  transcript: Transcript,
): Promise<Ground<IpamScene>> {
  const stage = await openIpamStage(subject);
  const { local: space } = await stage.driver.defaultAddressSpaces();
  const parts = { stage, transcript, space };
  const probe = new IpamScene({ ...parts, random: randomFrom(0), leases: true });
  const leases = await probe.pool().then(
    ({ pool }) => pool.length > 0,
    () => true,
  );
  await probe.clear();
  transcript.clear();
  return {
    scene: (random) => new IpamScene({ ...parts, random, leases }),
    async clear(scene) {
      await scene.clear();
      return [];
    },
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

async function openIpamStage(
  subject: Extract<Subject, { readonly kind: "ipam" | "ipam plugin" }>,
): Promise<IpamStage> {
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
  return new IpamModule(() => subject.factory({ defaultPools: [], hostId: "verify" }));
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
