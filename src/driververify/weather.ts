// What can befall a driver's calls to its host: the nth one fails, or none after it ever returns, or all of them take a
// while. The order of things then is another than on a calm machine.

import { setTimeout as pause } from "node:timers/promises";
import type { Random } from "./random.ts";

/** The words of an injected failure, which a driver's error should pass on. */
export const injected = "injected by the kit";

export class Weather {
  #count = 0;
  #failAt: number | undefined;
  #stopAt: number | undefined;
  #latency: { readonly random: Random; readonly mostMs: number } | undefined;
  #isDead = false;
  #underWay = 0;

  /** How many changes were asked of the host since the last `calm`, `failAt` or `stopAt`. */
  get steps(): number {
    return this.#count;
  }

  /** The host is doing something that it was asked for. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /** Does what was asked for, after `beforeChange` or `beforeReading`. */
  async pass<T>(work: () => T | Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work();
    } finally {
      this.#underWay--;
    }
  }

  calm(): void {
    this.#count = 0;
    this.#failAt = undefined;
    this.#stopAt = undefined;
    this.#latency = undefined;
  }

  /** The nth change from now on is refused. */
  failAt(step: number): void {
    this.calm();
    this.#failAt = step;
  }

  /** The nth change from now on does not happen and is never answered, nor is any after it: the daemon is gone. */
  stopAt(step: number): void {
    this.calm();
    this.#stopAt = step;
  }

  /** From now on every call takes up to so long. */
  delay(random: Random, mostMs: number): void {
    this.calm();
    this.#latency = { random, mostMs };
  }

  /** Nothing that is asked for from now on happens: whoever asks is a daemon that ended. */
  end(): void {
    this.#isDead = true;
  }

  /** Before something is changed. Throws, or never returns, when it must not be. */
  async beforeChange(words: string): Promise<void> {
    this.#count++;
    const isStopped = this.#stopAt !== undefined && this.#count >= this.#stopAt;
    if (this.#isDead || isStopped) await new Promise(() => undefined);
    await this.#wait();
    if (this.#count === this.#failAt) throw new Error(`${words}: ${injected}`);
  }

  async beforeReading(): Promise<void> {
    if (this.#isDead) await new Promise(() => undefined);
    await this.#wait();
  }

  async #wait(): Promise<void> {
    if (this.#latency) await pause(this.#latency.random.below(this.#latency.mostMs + 1));
  }
}
