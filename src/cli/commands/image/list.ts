// images, image ls.

import { checkFilter, filtersQuery } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, maxArgs } from "../../command.ts";
import { quote } from "../../flags/numbers.ts";
import { bool, filter, formatFlag } from "../../flags/spec.ts";
import { imageFormat, imageLayout, imageRows } from "../../format/images.ts";
import { writeRows } from "../../format/rows.ts";
import type { ImageSummary } from "../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  aliases: ["tsdocker image ls", "tsdocker image list", "tsdocker images"],
  args: maxArgs(1),
  flags: [
    bool("quiet", "Only show image IDs", { short: "q" }),
    bool("all", "Show all images (default hides intermediate images)", { short: "a" }),
    bool("no-trunc", "Don't truncate output"),
    bool("digests", "Show digests"),
    formatFlag,
    filter("filter", "Filter output based on conditions provided", { short: "f", check: checkFilter }),
  ],
  run: runList,
};

async function runList({ session, flags, args, path }: Invocation): Promise<void> {
  const [name] = args;
  const filters = name === undefined ? flags.list("filter") : [...flags.list("filter"), `reference=${name}`];
  const query = { all: flags.bool("all"), filters: filtersQuery(filters) };
  const images = await session.client.get<ImageSummary[]>("/images/json", query);
  const quiet = flags.bool("quiet");
  const digests = flags.bool("digests");
  const configured = quiet ? undefined : session.config.content.imagesFormat;
  const format = imageFormat(flags.string("format") || configured || "table", { quiet, digests });
  const options = { truncate: !flags.bool("no-trunc"), digests, format };
  writeRows(
    session.out,
    format,
    imageLayout,
    images.flatMap((image) => imageRows(image, options)),
  );
  if (name !== undefined && images.length === 0 && path.endsWith(" images")) hint(session.err, name);
}

const imageVerbs = "build history import inspect list load ls prune pull push rm save tag".split(" ");

/** `images ls` looks for an image of that name. */
function hint(err: { write(text: string): void }, name: string): void {
  if (!imageVerbs.includes(name)) return;
  err.write(`\nNo images found matching ${quote(name)}: did you mean "tsdocker image ${name}"?\n`);
}
