// cluster token.

import { type CommandSpec, type Invocation, noArgs } from "../../command.ts";
import { bool, duration, formatFlag, uint } from "../../flags/spec.ts";
import { tokenFormat, tokenLayout, tokenRow } from "../../format/cluster.ts";
import { writeRows } from "../../format/rows.ts";
import { humanDuration } from "../../format/units.ts";
import type { ClusterInvitationBody, ClusterTokenBody } from "../../wire.ts";
import { invitationText } from "./invitation.ts";
import { roleFlag } from "./role.ts";

export const token: CommandSpec = {
  usage: "[OPTIONS]",
  long: `Make a token that admits hosts to the cluster, or list those that were made

A token is shown once, when it is made; the cluster keeps no more of it than is needed to know it again.`,
  args: noArgs,
  flags: [
    bool("member", "Admit hosts that may become members (default)"),
    bool("node", "Admit plain nodes only"),
    duration("expires", "How long it is good", { initial: "24h" }),
    uint("uses", "How many hosts it admits (default: any number)"),
    bool("rotate", "Tokens of the same kind that were made before are good no longer"),
    bool("quiet", "Only display the token", { short: "q" }),
    bool("list", "List tokens, without their secrets", { short: "l" }),
    formatFlag,
  ],
  run: (invocation) => (invocation.flags.bool("list") ? listTokens(invocation) : makeToken(invocation)),
};

async function makeToken({ session, flags }: Invocation): Promise<void> {
  const role = roleFlag(flags) ?? "member";
  const lifetime = flags.number("expires");
  if (lifetime <= 0) throw new Error("--expires: a time above zero is wanted, such as 24h");
  const json = { Role: role, Lifetime: lifetime, Uses: flags.number("uses"), Rotate: flags.bool("rotate") };
  const made = await session.client.post<ClusterInvitationBody>("/cluster/tokens", { json });
  if (flags.bool("quiet")) return session.out.line(made.Token);
  session.out.write(invitationText(made, { role, lifetime: humanDuration(lifetime / 1e6).toLowerCase() }));
}

async function listTokens({ session, flags }: Invocation): Promise<void> {
  const tokens = await session.client.get<ClusterTokenBody[]>("/cluster/tokens");
  writeRows(session.out, tokenFormat(flags.string("format") || "table"), tokenLayout, tokens.map(tokenRow));
}
