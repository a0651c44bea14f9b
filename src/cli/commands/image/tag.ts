// tag.

import { errorMessage } from "../../../util/errors.ts";
import { imagePath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { quote } from "../../flags/numbers.ts";
import { canonicalName, parseReference, type Reference } from "../../format/reference.ts";

export const tag: CommandSpec = {
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  aliases: ["tsdocker image tag", "tsdocker tag"],
  args: exactArgs(2),
  interspersed: false,
  flags: [],
  async run({ session, args }) {
    const [source = "", target = ""] = args;
    if (!/^[0-9a-f]{64}$/.test(source)) parseFor(source);
    const ref = parseFor(target);
    if (ref.digest) throw new Error("refusing to create a tag with a digest reference");
    const query = { repo: canonicalName(ref), tag: ref.tag ?? "latest" };
    await session.client.post(imagePath(source, "/tag"), { query });
  },
};

function parseFor(name: string): Reference {
  try {
    return parseReference(name);
  } catch (error) {
    throw new Error(
      `Error parsing reference: ${quote(name)} is not a valid repository/tag: ${errorMessage(error)}`,
    );
  }
}
