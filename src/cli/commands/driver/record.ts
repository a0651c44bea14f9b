// driver record.

import { type CommandSpec, noArgs } from "../../command.ts";
import { StatusError } from "../../errors.ts";
import { text } from "../../flags/spec.ts";
import { refusalOf } from "./conversation.ts";
import { startRecorder } from "./recorder.ts";
import { askedToEnd, isListenedOn } from "./sockets.ts";

export const record: CommandSpec = {
  usage: "--socket PLUGIN.sock --listen NAME.sock -o FILE",
  long: `Record the conversation between a daemon and a plugin

Listens where the daemon looks for plugin NAME (/run/docker/plugins/NAME.sock), passes
each call on to the plugin's own socket, and writes it down, one JSON line a call, until
it is interrupted. "tsdocker driver replay" plays the file again.`,
  args: noArgs,
  flags: [
    text("socket", "The plugin's own socket"),
    text("listen", "Socket to listen on, where the daemon finds the plugin"),
    text("output", "File to write", { short: "o" }),
  ],
  async run({ session, flags }) {
    const needed = (name: string) => {
      const value = flags.string(name);
      if (value === "") throw new StatusError(125, `--${name} is needed`);
      return value;
    };
    const [socket, listen, file] = [needed("socket"), needed("listen"), needed("output")];
    let count = 0;
    const ending = askedToEnd();
    const recorder = await startRecorder({
      socket,
      listen,
      file,
      onCall: (call) => {
        count++;
        const refusal = refusalOf(call);
        session.err.line(
          `${call.method} ${call.durationMs} ms${refusal === undefined ? "" : `: ${refusal}`}`,
        );
      },
    });
    session.err.line(`recording ${socket} on ${listen}; end with Ctrl-C`);
    if (!(await isListenedOn(socket))) session.err.line(`WARNING: nobody listens on ${socket} yet`);
    await ending;
    await recorder.close();
    session.err.line(`${count} calls in ${file}`);
  },
};
