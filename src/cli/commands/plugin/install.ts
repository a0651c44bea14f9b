// plugin install, plugin upgrade, plugin push: plugins at registries.

import { jsonStream } from "../../client/json.ts";
import { pluginPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs, minArgs, rangeArgs } from "../../command.ts";
import { registryAuthFor } from "../../config/auth.ts";
import { bool, text } from "../../flags/spec.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../format/reference.ts";
import { showProgress } from "../../progress.ts";
import type { Session } from "../../session.ts";
import type { Plugin, PluginPrivilege } from "../../wire.ts";
import { confirm } from "../confirm.ts";

const grantFlag = bool("grant-all-permissions", "Grant all permissions necessary to run the plugin");
const trustFlag = (usage: string) => bool("disable-content-trust", usage, { initial: "true", hidden: true });

export const install: CommandSpec = {
  usage: "[OPTIONS] PLUGIN [KEY=VALUE...]",
  args: minArgs(1),
  flags: [
    grantFlag,
    bool("disable", "Do not enable the plugin on install"),
    text("alias", "Local name for plugin"),
    trustFlag("Skip image verification"),
  ],
  async run({ session, flags, args: [given = "", ...settings] }) {
    const remote = canonicalName(given);
    const alias = flags.string("alias");
    const name = alias === "" ? remote : canonicalName(alias);
    const asked = { name: given, remote, grants: flags.bool("grant-all-permissions") };
    await bringIn(session, asked, { path: "/plugins/pull", query: { name: familiarName(name) } });
    const path = familiarName(name);
    if (settings.length > 0) await session.client.send("POST", pluginPath(path, "/set"), { json: settings });
    if (!flags.bool("disable"))
      await session.client.send("POST", pluginPath(path, "/enable"), { query: { timeout: "0" } });
    session.out.line("Installed plugin", given);
  },
};

export const upgrade: CommandSpec = {
  usage: "[OPTIONS] PLUGIN [REMOTE]",
  args: rangeArgs(1, 2),
  flags: [
    grantFlag,
    bool("skip-remote-check", "Do not check if specified remote plugin matches existing plugin image"),
    trustFlag("Skip image verification"),
  ],
  async run({ session, flags, args: [name = "", to] }) {
    const plugin = await session.client.get<Plugin>(pluginPath(name, "/json"));
    if (plugin.Enabled) throw new Error("the plugin must be disabled before upgrading");
    const current = canonicalName(plugin.PluginReference ?? plugin.Name);
    const remote = to === undefined ? current : canonicalName(to);
    const isOther = withoutTag(remote) !== withoutTag(current);
    if (isOther && !flags.bool("skip-remote-check"))
      if (!confirm(session, "Plugin images do not match, are you sure?"))
        throw new Error("canceling upgrade request");
    const words = [familiarName(current), "to", familiarName(remote)];
    session.out.line("Upgrading plugin", plugin.Name, "from", ...words);
    const asked = { name: familiarName(remote), remote, grants: flags.bool("grant-all-permissions") };
    await bringIn(session, asked, { path: pluginPath(name, "/upgrade"), query: {} });
    session.out.line("Upgraded plugin", plugin.Name, "to", familiarName(remote));
  },
};

export const push: CommandSpec = {
  usage: "[OPTIONS] PLUGIN[:TAG]",
  args: exactArgs(1),
  flags: [trustFlag("Skip image signing")],
  async run({ session, args: [given = ""] }) {
    const name = canonicalName(given);
    const headers = { "X-Registry-Auth": await registryAuthFor(session.config, name) };
    const response = await session.client.send("POST", pluginPath(familiarName(name), "/push"), { headers });
    await showProgress(session.out, jsonStream(response.body));
  },
};

interface Asked {
  /** As typed. */
  readonly name: string;
  readonly remote: string;
  readonly grants: boolean;
}

/** Asks what it may, unless that was granted, and has it pulled. */
async function bringIn(
  session: Session,
  { name, remote, grants }: Asked,
  { path, query }: { readonly path: string; readonly query: Readonly<Record<string, string>> },
): Promise<void> {
  const headers = { "X-Registry-Auth": await registryAuthFor(session.config, remote) };
  const asked = await session.client.send("GET", "/plugins/privileges", { query: { remote }, headers });
  const parts: Buffer[] = [];
  for await (const part of asked.body) parts.push(part);
  const privileges: readonly PluginPrivilege[] = JSON.parse(Buffer.concat(parts).toString("utf8")) ?? [];
  if (!grants && privileges.length > 0) {
    session.out.line(`Plugin ${JSON.stringify(name)} is requesting the following privileges:`);
    for (const { Name, Value } of privileges) session.out.line(` - ${Name}: [${(Value ?? []).join(" ")}]`);
    if (!confirm(session, "Do you grant the above permissions?"))
      throw new Error(`permission denied while installing plugin ${name}`);
  }
  const response = await session.client.send("POST", path, {
    query: { ...query, remote },
    headers,
    json: privileges,
  });
  await showProgress(session.out, jsonStream(response.body));
}

const canonicalName = (given: string) => canonicalString(withDefaultTag(parseReference(given)));
const familiarName = (name: string) => name.replace(/^docker\.io\/(library\/)?/, "");
const withoutTag = (name: string) => name.replace(/(:[^/]+|@.*)$/, "");
