// rmi, image rm.

import { imagePath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { isNotFound, joinErrors } from "../../errors.ts";
import { bool, strings } from "../../flags/spec.ts";
import { platformQuery } from "../../options/platform.ts";

export const rm: CommandSpec = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  aliases: ["tsdocker image rm", "tsdocker image remove", "tsdocker rmi"],
  args: minArgs(1),
  flags: [
    bool("force", "Force removal of the image", { short: "f" }),
    bool("no-prune", "Do not delete untagged parents"),
    strings(
      "platform",
      'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { since: "1.50" },
    ),
  ],
  run: runRm,
};

interface Deleted {
  readonly Deleted?: string;
  readonly Untagged?: string;
}

async function runRm({ session, flags, args }: Invocation): Promise<void> {
  const platforms = flags.list("platform").flatMap((platform) => platformQuery(platform) ?? []);
  const query = { force: flags.bool("force"), noprune: flags.bool("no-prune"), platforms };
  const errors: unknown[] = [];
  for (const image of args) {
    try {
      const deleted = JSON.parse(await session.client.delete(imagePath(image), query)) as Deleted[];
      for (const one of deleted) {
        if (one.Deleted) session.out.line("Deleted:", one.Deleted);
        else session.out.line("Untagged:", one.Untagged ?? "");
      }
    } catch (error) {
      errors.push(error);
    }
  }
  const all = joinErrors(errors);
  if (!all) return;
  if (!flags.bool("force") || !errors.every(isNotFound)) throw all;
  session.err.line(all.message);
}
