// network connect.

import { networkPath } from "../../client/paths.ts";
import { type CommandSpec, exactArgs } from "../../command.ts";
import { int, list, strings, text } from "../../flags/spec.ts";
import { checkLink, cut } from "../../options/checks.ts";

export const connect: CommandSpec = {
  usage: "[OPTIONS] NETWORK CONTAINER",
  args: exactArgs(2),
  flags: [
    text("ip", 'IPv4 address (e.g., "172.30.100.104")'),
    text("ip6", 'IPv6 address (e.g., "2001:db8::33")'),
    list("link", "Add link to another container", { check: checkLink }),
    strings("alias", "Add network-scoped alias for the container"),
    strings("link-local-ip", "Add a link-local address for the container"),
    strings("driver-opt", "driver options for the network"),
    int(
      "gw-priority",
      "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
    ),
  ],
  async run({ session, flags, args }) {
    const [network = "", container = ""] = args;
    const settings = {
      IPAMConfig: {
        IPv4Address: flags.string("ip") || undefined,
        IPv6Address: flags.string("ip6") || undefined,
        LinkLocalIPs: flags.list("link-local-ip"),
      },
      Links: flags.list("link"),
      Aliases: flags.list("alias"),
      DriverOpts: driverOptions(flags.list("driver-opt")),
      GwPriority: flags.number("gw-priority"),
    };
    const json = { Container: container, EndpointConfig: settings };
    await session.client.post(networkPath(network, "/connect"), { json });
  },
};

function driverOptions(options: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const option of options) {
    const { before, after, found } = cut(option, "=");
    if (!found || before.trim() === "") throw new Error("invalid key/value pair format in driver options");
    map[before.trim()] = after.trim();
  }
  return map;
}
