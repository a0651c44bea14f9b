// What the tree of commands is made of. A command's module is loaded when it is called, not before.

import type { CommandSpec } from "../command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly short: string;
  readonly otherNames?: readonly string[];
  /** Its place among the common commands of the program's help. */
  readonly rank?: number;
  readonly load: () => Promise<CommandSpec>;
}

export interface GroupEntry {
  readonly name: string;
  readonly short: string;
  /** Some of them groups in turn. */
  readonly commands: readonly TreeEntry[];
}

export type TreeEntry = CommandEntry | GroupEntry;

/** Whether an entry holds commands of its own. */
export function isGroup(entry: TreeEntry): entry is GroupEntry {
  return "commands" in entry;
}
