// import.

import { createReadStream } from "node:fs";
import { jsonStream } from "../../client/json.ts";
import { type CommandSpec, type Invocation, minArgs } from "../../command.ts";
import { list, platformFlag, text } from "../../flags/spec.ts";
import { parseReference } from "../../format/reference.ts";
import { openForReading } from "../../options/key-values.ts";
import { showProgress } from "../../progress.ts";

export const importImage: CommandSpec = {
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  aliases: ["tsdocker image import", "tsdocker import"],
  args: minArgs(1),
  flags: [
    list("change", "Apply Dockerfile instruction to the created image", { short: "c" }),
    text("message", "Set commit message for imported image", { short: "m" }),
    platformFlag(process.env.DOCKER_DEFAULT_PLATFORM),
  ],
  run: runImport,
};

async function runImport({ session, flags, args }: Invocation): Promise<void> {
  const [source = "", name = ""] = args;
  if (name !== "") parseReference(name);
  const isRemote = /^https?:\/\//.test(source);
  const query = {
    fromSrc: isRemote ? source : "-",
    repo: name,
    message: flags.string("message"),
    platform: flags.string("platform").toLowerCase(),
    changes: flags.list("change"),
  };
  const file = () => (source === "-" ? process.stdin : createReadStream("", { fd: openForReading(source) }));
  const body = isRemote ? undefined : file();
  await session.client.version(); // before the long body
  const headers: Record<string, string> = body ? { "Content-Type": "application/x-tar" } : {};
  const response = await session.client.send("POST", "/images/create", { query, headers, body });
  await showProgress(session.out, jsonStream(response.body));
}
