// What a command is: its flags, its number of arguments, its work.

import type { FlagSpec } from "./flags/spec.ts";
import type { FlagValues } from "./flags/values.ts";
import type { Session } from "./session.ts";

/** A command's number of arguments. */
export interface ArgCount {
  readonly min: number;
  readonly max: number;
}

export interface Invocation {
  readonly session: Session;
  readonly flags: FlagValues;
  readonly args: readonly string[];
  /** The words it was called by, such as `tsdocker container ls`. */
  readonly path: string;
}

export interface CommandSpec {
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly flags: readonly FlagSpec[];
  readonly args: ArgCount;
  /** Whether arguments are right although `args` does not count so many. */
  readonly accepts?: (args: readonly string[]) => boolean;
  /** All its names, for help. */
  readonly aliases?: readonly string[];
  /** A longer description than the one line of the command lists. */
  readonly long?: string;
  /** False when the first argument ends the flags (run, exec, top). */
  readonly interspersed?: boolean;
  run(invocation: Invocation): Promise<void>;
}

export const noArgs: ArgCount = { min: 0, max: 0 };
/** Numbers of arguments, as Docker's commands have them. */
export const exactArgs = (count: number): ArgCount => ({ min: count, max: count });
export const minArgs = (min: number): ArgCount => ({ min, max: Number.POSITIVE_INFINITY });
export const maxArgs = (max: number): ArgCount => ({ min: 0, max });
export const rangeArgs = (min: number, max: number): ArgCount => ({ min, max });
