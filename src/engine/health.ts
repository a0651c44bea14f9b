// Health checks: a command run in the container now and then, and what its exit codes say of it.

import { errorMessage } from "../util/errors.ts";
import type { Container } from "./container.ts";
import { createExec, findExec, startExec } from "./exec.ts";
import type { EngineContext } from "./parts.ts";
import type { Health, Healthcheck, HealthProbe } from "./types.ts";

const defaults = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  startPeriodMs: 0,
  startIntervalMs: 5_000,
  retries: 3,
};
const rememberedProbes = 5;
const longestOutputBytes = 4096;

/** The life that is watched. */
export interface CheckedLife {
  readonly since: Date;
  /** What was known of it already. */
  readonly last?: Health | undefined;
}

/** Probes one container until it is stopped. */
class HealthMonitor {
  readonly #context: EngineContext;
  readonly #container: Container;
  readonly #command: readonly string[];
  readonly #check: Required<Omit<Healthcheck, "test">>;
  /** By a clock that never jumps: else one that is set back would keep an ill container starting. */
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(context: EngineContext, container: Container, life: CheckedLife & { check: Healthcheck }) {
    const { check, since, last } = life;
    this.#context = context;
    this.#startedMs = performance.now() - Math.max(0, Date.now() - since.getTime());
    this.#container = container;
    this.#command =
      check.test[0] === "CMD-SHELL" ? ["/bin/sh", "-c", check.test[1] ?? ""] : check.test.slice(1);
    this.#check = { ...defaults, ...check };
    container.lastHealth = last ?? { status: "starting", failingStreak: 0, log: [] };
    this.#tellNetworks();
    this.#plan();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Neither one that is ill nor one whose first good probe is still to come is given others' work. */
  #tellNetworks(): void {
    this.#context.controller.setReady(this.#container.id, this.#container.lastHealth?.status === "healthy");
  }

  get #isInStartPeriod(): boolean {
    return performance.now() - this.#startedMs < this.#check.startPeriodMs;
  }

  #plan(): void {
    const isStarting = this.#isInStartPeriod && this.#container.lastHealth?.status === "starting";
    const delay = isStarting ? this.#check.startIntervalMs : this.#check.intervalMs;
    this.#timer = setTimeout(() => void this.#tick(), delay);
  }

  async #tick(): Promise<void> {
    if (!this.#container.paused) this.#judge(await this.#probe());
    if (!this.#stopped) this.#plan();
  }

  async #probe(): Promise<HealthProbe> {
    const startedAt = new Date();
    const outcome = await this.#run().catch((error) => ({ exitCode: -1, output: errorMessage(error) }));
    return { startedAt, endedAt: new Date(), ...outcome };
  }

  async #run(): Promise<{ exitCode: number; output: string }> {
    const { env } = this.#container.record.spec;
    const id = createExec(this.#context, this.#container, {
      command: this.#command,
      env,
      privileged: false,
      tty: false,
      attachStdin: false,
      attachStdout: true,
      attachStderr: true,
    });
    const timeout = AbortSignal.timeout(this.#check.timeoutMs);
    const session = await startExec(this.#context, id, { request: { tty: false }, signal: timeout });
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const { data } of session.output) {
      if (bytes < longestOutputBytes) pieces.push(data);
      bytes += data.length;
    }
    const output = Buffer.concat(pieces).subarray(0, longestOutputBytes).toString("utf8");
    const { execution } = findExec(this.#context, id);
    if (!timeout.aborted) return { exitCode: execution.exitCode ?? -1, output };
    await execution.process?.kill(9).catch(() => undefined);
    return { exitCode: -1, output: `Health check exceeded timeout (${this.#check.timeoutMs}ms)` };
  }

  #judge(probe: HealthProbe): void {
    if (this.#stopped) return;
    const before = this.#container.lastHealth;
    const isGood = probe.exitCode === 0;
    const isForgiven = !isGood && before?.status === "starting" && this.#isInStartPeriod;
    const failingStreak = isGood ? 0 : (before?.failingStreak ?? 0) + (isForgiven ? 0 : 1);
    const isBad = failingStreak >= this.#check.retries;
    const status: Health["status"] = isGood
      ? "healthy"
      : isBad
        ? "unhealthy"
        : (before?.status ?? "starting");
    const log = [...(before?.log ?? []), probe].slice(-rememberedProbes);
    this.#container.lastHealth = { status, failingStreak, log };
    if (status === before?.status) return;
    this.#tellNetworks();
    const { id, attributes } = this.#container;
    void this.#context.registry.change(this.#container, { health: this.#container.lastHealth });
    this.#context.events.publish("container", `health_status: ${status}`, id, attributes);
  }
}

/** Begins to probe a container that runs, if it has a check. */
export function startHealth(context: EngineContext, container: Container, life: CheckedLife): void {
  const check = checkOf(container);
  container.lastHealth = undefined;
  if (check) container.health = new HealthMonitor(context, container, { ...life, check });
}

/** A container is about to start: with a check it is not ready before that says so. */
export function expectHealth({ controller }: EngineContext, container: Container): void {
  controller.setReady(container.id, checkOf(container) === undefined);
}

function checkOf(container: Container): Healthcheck | undefined {
  const check = container.record.spec.healthcheck;
  return !check || check.test.length === 0 || check.test[0] === "NONE" ? undefined : check;
}
