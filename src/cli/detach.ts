// Detach keys: the sequence that leaves a container running behind, ctrl-p ctrl-q unless chosen otherwise.

import type { Session } from "./session.ts";

/** The keys that detach: the flag's, else the settings'; "" is the daemon's default. */
export function chooseDetachKeys(session: Session, flag: string): string {
  return flag || session.config.content.detachKeys || "";
}

const named: Readonly<Record<string, number>> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** `ctrl-p,ctrl-q` or `a,b` as bytes; undefined when a key is unknown. */
export function keyBytes(keys: string): number[] | undefined {
  const bytes: number[] = [];
  for (const key of keys.split(",")) {
    const letter = /^ctrl-(.)$/.exec(key)?.[1];
    if (letter === undefined) {
      if (key.length !== 1) return undefined;
      bytes.push(key.charCodeAt(0));
    } else if (/[a-z]/.test(letter)) bytes.push(letter.charCodeAt(0) - 96);
    else if (named[letter] !== undefined) bytes.push(named[letter]);
    else return undefined;
  }
  return bytes;
}

const defaultKeys = [16, 17];

/** The chosen keys, or the default ones when none or unreadable ones were chosen. */
export function parseDetachKeys(keys: string): readonly number[] {
  return keys === "" ? defaultKeys : (keyBytes(keys) ?? defaultKeys);
}

/** Watches input for the keys. What may be their beginning is held back until it is clear. */
export class DetachDetector {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** What to pass on, and whether the keys were completed. */
  push(input: Buffer): { data: Buffer; detached: boolean } {
    const out: number[] = [];
    for (const byte of input) {
      if (byte === this.#keys[this.#matched]) {
        if (++this.#matched === this.#keys.length) return { data: Buffer.from(out), detached: true };
        continue;
      }
      out.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) out.push(byte);
    }
    return { data: Buffer.from(out), detached: false };
  }
}
