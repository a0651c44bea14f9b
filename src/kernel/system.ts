// Mounts, FIFOs, and what a supervisor asks of its own process.

import { addon } from "../../native/index.ts";
import { saying, sayingNow } from "./errors.ts";

/** MS_* of mount(2). */
export const mountFlag = {
  readOnly: 0x1,
  noSuid: 0x2,
  noDev: 0x4,
  noExec: 0x8,
  remount: 0x20,
  noAtime: 0x400,
  bind: 0x1000,
  move: 0x2000,
  recursive: 0x4000,
  unbindable: 0x20000,
  private: 0x40000,
  slave: 0x80000,
  shared: 0x100000,
  relatime: 0x200000,
} as const;

/** A mount to make: mount(2) as it is. */
export interface MountSpec {
  readonly source?: string;
  readonly target: string;
  readonly type?: string;
  /** Bits of `mountFlag`. */
  readonly flags?: number;
  readonly data?: string;
}

/** mount(2). Rejects with KernelError. */
export async function mount({
  source = "none",
  target,
  type = "none",
  flags = 0,
  data = "",
}: MountSpec): Promise<void> {
  await saying(`mount ${source} on ${target}`, addon().mount(source, target, type, flags, data));
}

/** umount2(2). `lazy` detaches now and lets go when nobody uses it (MNT_DETACH). Fails with EINVAL when nothing is mounted. */
export async function unmount(target: string, { lazy = false, noFollow = true } = {}): Promise<void> {
  await saying(`umount ${target}`, addon().unmount(target, (lazy ? 2 : 0) | (noFollow ? 8 : 0)));
}

/** Makes this process the parent of orphans below it (PR_SET_CHILD_SUBREAPER). */
export function setChildSubreaper(on: boolean): void {
  sayingNow("set child subreaper", () => addon().setChildSubreaper(on));
}

/** RLIMIT_NOFILE of this process; Infinity = unlimited. */
export function openFileLimit(): { readonly soft: number; readonly hard: number } {
  const { soft, hard } = sayingNow("get the limit of open files", () => addon().openFileLimit());
  return { soft: soft < 0 ? Infinity : soft, hard: hard < 0 ? Infinity : hard };
}

/** Sets the soft limit, up to the hard one. */
export function setOpenFileLimit(soft: number): void {
  sayingNow("set the limit of open files", () => addon().setOpenFileLimit(soft));
}

/** mkfifo(3). Throws KernelError: EEXIST. */
export function makeFifo(path: string, mode = 0o600): void {
  sayingNow(`mkfifo ${path}`, () => addon().makeFifo(path, mode));
}
