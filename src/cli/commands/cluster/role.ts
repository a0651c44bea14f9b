// --member and --node.

import type { FlagValues } from "../../flags/values.ts";

/** Undefined when neither is given. Throws when both are. */
export function roleFlag(flags: FlagValues): "member" | "node" | undefined {
  if (flags.bool("member") && flags.bool("node"))
    throw new Error("conflicting options: --member and --node exclude each other");
  if (flags.bool("member")) return "member";
  return flags.bool("node") ? "node" : undefined;
}
