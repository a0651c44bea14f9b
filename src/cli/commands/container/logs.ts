// logs.

import { errorMessage } from "../../../util/errors.ts";
import { FrameDecoder } from "../../client/frames.ts";
import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { parseDuration } from "../../flags/numbers.ts";
import { bool, text } from "../../flags/spec.ts";
import { apiTime } from "../../format/time.ts";
import type { ContainerInspect } from "../../wire.ts";

const when = '(e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

export const logs: CommandSpec = {
  usage: "[OPTIONS] CONTAINER",
  aliases: ["tsdocker container logs", "tsdocker logs"],
  args: exactArgs(1),
  flags: [
    bool("follow", "Follow log output", { short: "f" }),
    text("since", `Show logs since timestamp ${when}`),
    text("until", `Show logs before a timestamp ${when}`, { since: "1.35" }),
    bool("timestamps", "Show timestamps", { short: "t" }),
    bool("details", "Show extra details provided to logs"),
    text("tail", "Number of lines to show from the end of the logs", { short: "n", initial: "all" }),
  ],
  run: runLogs,
};

async function runLogs({ session, flags, args }: Invocation): Promise<void> {
  const container = await session.client.get<ContainerInspect>(containerPath(args[0] ?? "", "/json"));
  const time = (flag: "since" | "until") => {
    try {
      return apiTime(flags.string(flag), parseDuration);
    } catch (error) {
      throw new Error(`invalid value for ${JSON.stringify(flag)}: ${errorMessage(error)}`);
    }
  };
  const response = await session.client.send("GET", `/containers/${container.Id}/logs`, {
    query: {
      stdout: true,
      stderr: true,
      since: time("since"),
      until: time("until"),
      timestamps: flags.bool("timestamps"),
      details: flags.bool("details"),
      follow: flags.bool("follow"),
      tail: flags.string("tail"),
    },
  });
  const decoder = new FrameDecoder({
    stdout: (data) => session.out.write(data),
    stderr: (data) => session.err.write(data),
  });
  for await (const data of response.body) {
    if (container.Config.Tty) session.out.write(data);
    else decoder.push(data);
  }
}
