// plugin enable, plugin disable, plugin set, plugin rm: changes of plugins that are here.

import { pluginPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, minArgs } from "../../command.ts";
import { bool, int } from "../../flags/spec.ts";
import { forEachNameInTurn } from "../parallel.ts";

export const enable: CommandSpec = {
  usage: "[OPTIONS] PLUGIN",
  args: exactArgs(1),
  flags: [int("timeout", "HTTP client timeout (in seconds)", { initial: "30" })],
  async run({ session, flags, args: [name = ""] }) {
    const timeout = flags.number("timeout");
    if (timeout < 0) throw new Error(`negative timeout ${timeout} is invalid`);
    await session.client.send("POST", pluginPath(name, "/enable"), { query: { timeout: String(timeout) } });
    session.out.line(name);
  },
};

export const disable: CommandSpec = {
  usage: "[OPTIONS] PLUGIN",
  args: exactArgs(1),
  flags: [bool("force", "Force the disable of an active plugin", { short: "f" })],
  async run({ session, flags, args: [name = ""] }) {
    const query = flags.bool("force") ? { force: "1" } : {};
    await session.client.send("POST", pluginPath(name, "/disable"), { query });
    session.out.line(name);
  },
};

export const set: CommandSpec = {
  usage: "PLUGIN KEY=VALUE [KEY=VALUE...]",
  args: minArgs(2),
  flags: [],
  async run({ session, args: [name = "", ...wishes] }) {
    await session.client.send("POST", pluginPath(name, "/set"), { json: wishes });
  },
};

export const rm: CommandSpec = {
  usage: "[OPTIONS] PLUGIN [PLUGIN...]",
  aliases: ["tsdocker plugin rm", "tsdocker plugin remove"],
  args: minArgs(1),
  flags: [bool("force", "Force the removal of an active plugin", { short: "f" })],
  run: ({ session, flags, args }) =>
    forEachNameInTurn(session, args, (name) =>
      session.client.delete(pluginPath(name), { force: flags.bool("force") }),
    ),
};
