// cluster join.

import { type CommandSpec, minArgs } from "../../command.ts";
import { bool, text } from "../../flags/spec.ts";
import { placeFlags, placeOf } from "./place.ts";
import { roleFlag } from "./role.ts";

export const join: CommandSpec = {
  usage: "[OPTIONS] --token TOKEN HOST[:PORT] [HOST[:PORT]...]",
  long: `Join a cluster, by the address of one of its members

"tsdocker cluster init" and "tsdocker cluster token" print the whole command. The token also tells this host
whom it talks to: a cluster with another authority is refused.`,
  args: minArgs(1),
  flags: [
    text("token", "Token that admits this host"),
    ...placeFlags,
    bool("member", "Be a member (keep a copy of the store) even if there are three already"),
    bool("node", "Be a plain node, whatever the cluster needs"),
  ],
  async run({ session, flags, args }) {
    const token = flags.string("token").trim();
    if (token === "")
      throw new Error('--token is wanted: "tsdocker cluster token" on a host of the cluster prints one');
    const json = {
      ...placeOf(flags),
      JoinToken: token,
      RemoteAddrs: args,
      Role: roleFlag(flags) ?? "auto",
    };
    const { Role } = await session.client.post<{ Role: string }>("/cluster/join", { json });
    const isWilling = Role === "node" && !flags.bool("node");
    const later = isWilling ? ", and becomes a member when the cluster needs one" : "";
    session.out.line(`This host joined the cluster as a ${Role}${later}.`);
  },
};
