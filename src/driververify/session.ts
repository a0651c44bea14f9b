// One driver on its stage, check after check. A check that fails costs the stage: what it has left must not make others
// fail.

import type { DriverTraits } from "../driverapi/index.ts";
import { errorMessage } from "../util/errors.ts";
import { Broken, type Check, groupOf, lacks } from "./check.ts";
import { ipamChecks, networkChecks } from "./checks/index.ts";
import { randomFrom } from "./random.ts";
import {
  type Ground,
  type GroundParts,
  isIpam,
  openIpamGround,
  openNetworkGround,
  type Subject,
} from "./subject.ts";
import { Watch } from "./watch.ts";

/** Traits are beside those that the subject has itself, and come before them. */
export interface VerifyOptions extends DriverTraits {
  /** Of all that is left to chance. */
  readonly seed?: number;
  /** How long a call may take before it counts as never answered. Milliseconds. */
  readonly callLimitMs?: number;
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
export type CheckFacts = Pick<Check<never, never>, "id" | "rule" | "where">;

/** Which rules are about a driver, and which are not and why. */
export interface Plan {
  readonly applying: readonly CheckFacts[];
  readonly leftOut: readonly (CheckFacts & { readonly reason: string })[];
}

type OpenGround<S, F> = (parts: GroundParts<F>) => Promise<Ground<S, F>>;

/** Owns the stage. Checks run one at a time. */
class Session<S, F> implements VerifySession {
  readonly checks: readonly Check<S, F>[];
  readonly #open: OpenGround<S, F>;
  readonly #seed: number;
  readonly #traits: DriverTraits;
  readonly #watch: Watch;
  #ground: Ground<S, F> | undefined;
  #facts: F | undefined;

  constructor(
    checks: readonly Check<S, F>[],
    open: OpenGround<S, F>,
    { seed = 1, callLimitMs, ...traits }: VerifyOptions,
  ) {
    this.checks = checks;
    this.#open = open;
    this.#seed = seed;
    this.#traits = traits;
    this.#watch = new Watch(callLimitMs);
  }

  async plan(): Promise<Plan> {
    const facts = await this.#known();
    // who only plans leaves nothing open
    await this.#dropGround();
    const judged = this.checks.map(({ id, rule, where, needs }) => ({
      check: { id, rule, where },
      reason: lacks({ ...(needs && { needs }) }, facts),
    }));
    return {
      applying: judged.flatMap(({ check, reason }) => (reason === undefined ? [check] : [])),
      leftOut: judged.flatMap(({ check, reason }) => (reason === undefined ? [] : [{ ...check, reason }])),
    };
  }

  async run(id: string): Promise<Outcome> {
    const check = this.checks.find((each) => each.id === id);
    if (!check) throw new RangeError(`there is no check ${id}`);
    const { rule, where } = check;
    const facts = { id, group: groupOf(check), rule, where };
    const reason = lacks(check, await this.#known());
    if (reason !== undefined) return { ...facts, status: "not applicable", reason };
    const broken = await this.#try(check);
    if (broken === undefined) return { ...facts, status: "passed" };
    await this.#dropGround();
    return { ...facts, status: "failed", failure: this.#failure(broken, check) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dropGround();
  }

  /** What the first ground has found out of the driver. */
  async #known(): Promise<F> {
    return this.#facts ?? (await this.#standing()).facts;
  }

  /** What keeps the stage from being made is no rule's business, and rejects. */
  async #standing(): Promise<Ground<S, F>> {
    this.#ground ??= await this.#open({ traits: this.#traits, watch: this.#watch, known: this.#facts });
    this.#facts ??= this.#ground.facts;
    if (!this.#ground.isSpent) return this.#ground;
    await this.#dropGround();
    return await this.#standing();
  }

  /** Undefined: the rule is kept. */
  async #try(check: Check<S, F>): Promise<unknown> {
    const ground = await this.#standing();
    const scene = ground.scene(randomFrom(this.#seed));
    this.#watch.clear();
    try {
      await check.run(scene);
      const left = await ground.clear(scene);
      if (left.length > 0)
        return new Broken(
          "nothing left when all that was made was deleted",
          left.join("; "),
          "the rule itself was kept: look at networks/delete, endpoints/delete and join/leave first",
        );
      // whatever the check made of it
      return this.#watch.unanswered;
    } catch (error) {
      return this.#watch.unanswered ?? error ?? new Error("undefined was thrown");
    }
  }

  async #dropGround(): Promise<void> {
    const ground = this.#ground;
    this.#ground = undefined;
    try {
      await ground?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#watch.note(`the stage could not be taken away: ${errorMessage(error)}`);
    }
  }

  #failure(error: unknown, { hint }: Check<S, F>): Failure {
    const calls = this.#watch.last(8);
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

/** What there is to run, and the running of it. */
export interface VerifySession {
  readonly checks: readonly CheckFacts[];
  [Symbol.asyncDispose](): Promise<void>;
  /** Tries the driver a little. Rejects when the stage, or the driver itself, cannot be made. */
  plan(): Promise<Plan>;
  /** Rejects when the stage, or the driver itself, cannot be made; never for what a driver does. */
  run(id: string): Promise<Outcome>;
}

/** Begins with a driver; nothing is made before it is planned or run. */
export function openSession(subject: Subject, options: VerifyOptions = {}): VerifySession {
  const all = { ...subject.traits, ...options };
  return isIpam(subject)
    ? new Session(ipamChecks, (parts) => openIpamGround(subject, parts), all)
    : new Session(networkChecks, (parts) => openNetworkGround(subject, parts), all);
}
