// network service ls.

import { checkFilter, filtersQuery, networkPath } from "../../../client/paths.ts";
import { type CommandSpec, maxArgs } from "../../../command.ts";
import { bool, filter, formatFlag } from "../../../flags/spec.ts";
import { compareNatural } from "../../../format/natural.ts";
import { writeRows } from "../../../format/rows.ts";
import { serviceFormat, serviceLayout, serviceRow } from "../../../format/services.ts";
import type { Session } from "../../../session.ts";
import type { NetworkSummary, ServiceBody } from "../../../wire.ts";

export const list: CommandSpec = {
  usage: "[OPTIONS] [NETWORK]",
  aliases: ["tsdocker network service ls", "tsdocker network service list"],
  args: maxArgs(1),
  flags: [
    bool("quiet", "Only display names", { short: "q" }),
    formatFlag,
    filter("filter", 'Provide filter values (e.g. "ready=true")', { short: "f", check: checkFilter }),
  ],
  async run({ session, flags, args }) {
    const networks = args.length > 0 ? args : await clusterNetworks(session);
    const query = { filters: filtersQuery(flags.list("filter")) };
    const services = await Promise.all(
      networks.map((network) => session.client.get<ServiceBody[]>(networkPath(network, "/services"), query)),
    );
    const rows = services
      .flat()
      .toSorted((a, b) => compareNatural(a.NetworkName, b.NetworkName) || compareNatural(a.Name, b.Name))
      .map(serviceRow);
    const format = serviceFormat(flags.string("format") || "table", flags.bool("quiet"));
    writeRows(session.out, format, serviceLayout, rows);
  },
};

/** Others have no services. */
async function clusterNetworks(session: Session): Promise<string[]> {
  const query = { filters: filtersQuery(["scope=global"]) };
  return (await session.client.get<NetworkSummary[]>("/networks", query)).map(({ Id }) => Id);
}
