// commit.

import { type CommandSpec, rangeArgs } from "../../command.ts";
import { bool, list, text } from "../../flags/spec.ts";
import { canonicalName, parseReference } from "../../format/reference.ts";

export const commit: CommandSpec = {
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  aliases: ["tsdocker container commit", "tsdocker commit"],
  args: rangeArgs(1, 2),
  interspersed: false,
  flags: [
    bool("pause", "Pause container during commit", { short: "p", initial: "true" }),
    text("message", "Commit message", { short: "m" }),
    text("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', { short: "a" }),
    list("change", "Apply Dockerfile instruction to the created image", { short: "c" }),
  ],
  async run({ session, flags, args }) {
    const [container = "", name] = args;
    const ref = name ? parseReference(name) : undefined;
    if (ref?.digest) throw new Error("refusing to create a tag with a digest reference");
    const query = {
      container,
      repo: ref && canonicalName(ref),
      tag: ref?.tag ?? (ref ? "latest" : undefined),
      comment: flags.string("message"),
      author: flags.string("author"),
      changes: flags.list("change"),
      pause: flags.bool("pause") ? undefined : "0",
    };
    const image = await session.client.post<{ Id: string }>("/commit", { query });
    session.out.line(image.Id);
  },
};
