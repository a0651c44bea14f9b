// push.

import { jsonStream } from "../../client/json.ts";
import { imagePath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { registryAuthFor } from "../../config/auth.ts";
import { bool, text } from "../../flags/spec.ts";
import { canonicalName, canonicalString, parseReference, withDefaultTag } from "../../format/reference.ts";
import { platformQuery } from "../../options/platform.ts";
import { showProgress } from "../../progress.ts";
import { silentOutput } from "../../streams.ts";

export const push: CommandSpec = {
  usage: "[OPTIONS] NAME[:TAG]",
  aliases: ["tsdocker image push", "tsdocker push"],
  args: exactArgs(1),
  flags: [
    bool("all-tags", "Push all tags of an image to the repository", { short: "a" }),
    bool("quiet", "Suppress verbose output", { short: "q" }),
    bool("disable-content-trust", "Skip image signing", { initial: "true", hidden: true }),
    text(
      "platform",
      "Push a platform-specific manifest as a single-platform image to the registry.\nImage index won't be pushed, meaning that other manifests, including attestations won't be preserved.\n'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)",
      { since: "1.46" },
    ),
  ],
  run: runPush,
};

async function runPush({ session, flags, args }: Invocation): Promise<void> {
  const given = parseReference(args[0] ?? "");
  const all = flags.bool("all-tags");
  const quiet = flags.bool("quiet");
  const isNameOnly = given.tag === undefined && given.digest === undefined;
  if (all && !isNameOnly) throw new Error("tag can't be used with --all-tags/-a");
  if (given.digest) throw new Error("cannot push a digest reference");
  const ref = all ? given : withDefaultTag(given);
  if (!all && isNameOnly && !quiet) session.out.line("Using default tag:", ref.tag ?? "");
  const response = await session.client.send("POST", imagePath(canonicalName(ref), "/push"), {
    query: { tag: ref.tag, platform: platformQuery(flags.string("platform")) },
    headers: { "X-Registry-Auth": await registryAuthFor(session.config, canonicalString(ref)) },
  });
  await showProgress(quiet ? silentOutput : session.out, jsonStream(response.body));
  if (quiet) session.out.line(canonicalString(ref));
}
