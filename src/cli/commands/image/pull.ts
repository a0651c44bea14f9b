// pull.

import { jsonStream } from "../../client/json.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { registryAuthFor } from "../../config/auth.ts";
import { bool, platformFlag } from "../../flags/spec.ts";
import { canonicalName, canonicalString, parseReference, withDefaultTag } from "../../format/reference.ts";
import { showProgress } from "../../progress.ts";
import { silentOutput } from "../../streams.ts";

export const pull: CommandSpec = {
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  aliases: ["tsdocker image pull", "tsdocker pull"],
  args: exactArgs(1),
  flags: [
    bool("all-tags", "Download all tagged images in the repository", { short: "a" }),
    bool("quiet", "Suppress verbose output", { short: "q" }),
    bool("disable-content-trust", "Skip image verification", { initial: "true", hidden: true }),
    platformFlag(process.env.DOCKER_DEFAULT_PLATFORM),
  ],
  run: runPull,
};

async function runPull({ session, flags, args }: Invocation): Promise<void> {
  const given = parseReference(args[0] ?? "");
  const all = flags.bool("all-tags");
  const quiet = flags.bool("quiet");
  const isNameOnly = given.tag === undefined && given.digest === undefined;
  if (all && !isNameOnly) throw new Error("tag can't be used with --all-tags/-a");
  const ref = all ? given : withDefaultTag(given);
  if (!all && isNameOnly && !quiet) session.out.line("Using default tag:", ref.tag ?? "");
  const response = await session.client.send("POST", "/images/create", {
    query: {
      fromImage: canonicalName(ref),
      tag: ref.digest ?? ref.tag,
      platform: flags.string("platform").toLowerCase(),
    },
    headers: { "X-Registry-Auth": await registryAuthFor(session.config, canonicalString(ref)) },
  });
  await showProgress(quiet ? silentOutput : session.out, jsonStream(response.body));
  session.out.line(canonicalString(ref));
}
