// Flags that `create` and `run` have beside those that describe the container.

import { bool, type FlagSpec, platformFlag, text } from "../../flags/spec.ts";
import { containerFlags } from "../../options/run-flags.ts";

/** All flags of `create` and `run`; `doing` completes the help of --pull. */
export function createFlags(doing: "creating" | "running"): readonly FlagSpec[] {
  return [
    text("name", "Assign a name to the container"),
    text("pull", `Pull image before ${doing} ("always", "missing", "never")`, { initial: "missing" }),
    bool("quiet", "Suppress the pull output", { short: "q" }),
    bool("help", "Print usage"),
    bool("disable-content-trust", "Skip image verification", { initial: "true", hidden: true }),
    platformFlag(process.env.DOCKER_DEFAULT_PLATFORM),
    ...containerFlags,
  ];
}
