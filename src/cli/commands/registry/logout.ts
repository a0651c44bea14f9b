// logout.

import { errorMessage } from "../../../util/errors.ts";
import { type CommandSpec, maxArgs } from "../../command.ts";
import { helperFor, hubServer } from "../../config/auth.ts";
import { saveConfig } from "../../config/file.ts";
import { runCredentialHelper } from "../../config/helper.ts";

export const logout: CommandSpec = {
  usage: "[SERVER]",
  long: "Log out from a registry.\nIf no server is specified, the default is defined by the daemon.",
  args: maxArgs(1),
  flags: [],
  async run({ session, args }) {
    const given = args[0] || hubServer;
    const host = given === hubServer ? given : given.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
    session.out.line("Removing login credentials for", host);
    const names = given === hubServer ? [given] : [given, host, `http://${host}`, `https://${host}`];
    const helper = helperFor(session.config, host);
    if (helper) {
      await runCredentialHelper(helper, "erase", host).catch((error: unknown) =>
        session.err.line(`WARNING: could not erase credentials:\n${host}: ${errorMessage(error)}`),
      );
      return;
    }
    const { content } = session.config;
    const kept = Object.entries(content.auths ?? {}).filter(([name]) => !names.includes(name));
    if (kept.length === Object.keys(content.auths ?? {}).length) return;
    saveConfig(session.config, { ...content, auths: Object.fromEntries(kept) });
  },
};
