// load.

import { createReadStream } from "node:fs";
import { jsonStream } from "../../client/json.ts";
import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { bool, text } from "../../flags/spec.ts";
import { openForReading } from "../../options/key-values.ts";
import { platformQuery } from "../../options/platform.ts";
import { showProgress } from "../../progress.ts";

export const load: CommandSpec = {
  usage: "[OPTIONS]",
  aliases: ["tsdocker image load", "tsdocker load"],
  args: noArgs,
  flags: [
    text("input", "Read from tar archive file, instead of STDIN", { short: "i" }),
    bool("quiet", "Suppress the load output", { short: "q" }),
    text(
      "platform",
      'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      { since: "1.48" },
    ),
  ],
  run: runLoad,
};

async function runLoad({ session, flags }: Invocation): Promise<void> {
  const input = flags.string("input");
  if (input === "" && session.streams.stdinIsTerminal) {
    throw new Error("requested load from stdin, but stdin is empty");
  }
  const body = input === "" ? process.stdin : createReadStream("", { fd: openForReading(input) });
  const quiet = flags.bool("quiet") || !session.out.isTerminal;
  await session.client.version(); // before the long body
  const response = await session.client.send("POST", "/images/load", {
    query: { quiet: quiet ? "1" : "0", platform: platformQuery(flags.string("platform")) },
    headers: { "Content-Type": "application/x-tar" },
    body,
  });
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  if (isJson) return showProgress(session.out, jsonStream(response.body));
  for await (const data of response.body) session.out.write(data);
}
