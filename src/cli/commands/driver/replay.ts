// driver replay.

import { type CommandSpec, exactArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { text } from "../../flags/spec.ts";
import type { Session } from "../../session.ts";
import { type Call, readConversation } from "./conversation.ts";
import { playAgainst, playPlugin } from "./player.ts";
import { askedToEnd } from "./sockets.ts";

export const replay: CommandSpec = {
  usage: "FILE (--against PLUGIN.sock | --serve NAME.sock)",
  long: `Play a recorded conversation against a plugin, or in place of one

With --against the recorded calls are made to the plugin, with new ids, and the answers
compared with the recorded ones. Addresses, MACs, pools and names of links may differ, as
long as they do so throughout. Exits with 1 if anything else differs.

With --serve the recorded answers are given to a daemon that calls, until interrupted.`,
  args: exactArgs(1),
  flags: [
    text("against", "Socket of the plugin to call"),
    text("serve", "Socket to answer on in place of the plugin"),
    text("sandbox", "With --against: path of a netns that stands for every sandbox"),
  ],
  async run({ session, flags, args: [file = ""] }) {
    const [against, serve] = [flags.string("against"), flags.string("serve")];
    if ((against === "") === (serve === ""))
      throw new StatusError(125, "one of --against and --serve is needed");
    const calls = readConversation(file);
    if (serve !== "") return await servePlugin(session, calls, serve);
    const sandbox = flags.string("sandbox");
    await callPlugin(session, calls, { socket: against, ...(sandbox !== "" && { sandbox }) });
  },
};

async function callPlugin(
  session: Session,
  calls: readonly Call[],
  options: Parameters<typeof playAgainst>[1],
): Promise<void> {
  let [count, different] = [0, 0];
  for await (const { call, durationMs, differences } of playAgainst(calls, options)) {
    count++;
    if (differences.length > 0) different++;
    const mark = differences.length > 0 ? "DIFFERS" : "ok";
    session.out.line(`${mark.padEnd(8)}${call.method}  ${ms(durationMs)} (was ${ms(call.durationMs)})`);
    for (const difference of differences) session.out.line(`          ${difference}`);
  }
  session.out.line(`${count} calls, ${different} with differences`);
  if (different > 0) throw new StatusError(1);
}

async function servePlugin(session: Session, calls: readonly Call[], listen: string): Promise<void> {
  const ending = askedToEnd();
  const server = await playPlugin(calls, {
    listen,
    onCall: (method, isKnown) => session.err.line(isKnown ? method : `${method}: not in the recording`),
  });
  session.err.line(`answering on ${listen}; end with Ctrl-C`);
  await ending;
  await server.close();
}

function ms(duration: number): string {
  return `${duration.toFixed(1)} ms`;
}
