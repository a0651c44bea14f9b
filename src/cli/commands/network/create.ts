// network create.

import { compareVersions } from "../../client/versions.ts";
import { type CommandSpec, exactArgs, type Invocation } from "../../command.ts";
import { bool, list, map, strings, text } from "../../flags/spec.ts";
import { checkLabel } from "../../options/checks.ts";
import { ipamConfig } from "../../options/ipam.ts";
import { toMap } from "../../options/key-values.ts";

export const create: CommandSpec = {
  usage: "[OPTIONS] NETWORK",
  args: exactArgs(1),
  flags: [
    text("driver", "Driver to manage the Network", { short: "d", initial: "bridge" }),
    map("opt", "Set driver specific options", { short: "o" }),
    list("label", "Set metadata on a network", { check: checkLabel }),
    bool("internal", "Restrict external access to the network"),
    bool("ipv4", "Enable or disable IPv4 address assignment", { initial: "true" }),
    bool("ipv6", "Enable or disable IPv6 address assignment"),
    bool("attachable", "Enable manual container attachment", { since: "1.25" }),
    bool("ingress", "Create swarm routing-mesh network", { since: "1.29" }),
    text("scope", "Control the network's scope", { since: "1.30" }),
    bool("config-only", "Create a configuration only network", { since: "1.30" }),
    text("config-from", "The network from which to copy the configuration", { since: "1.30" }),
    text("ipam-driver", "IP Address Management Driver", { initial: "default" }),
    strings("subnet", "Subnet in CIDR format that represents a network segment"),
    strings("ip-range", "Allocate container ip from a sub-range"),
    strings("gateway", "IPv4 or IPv6 Gateway for the master subnet"),
    map("aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver"),
    map("ipam-opt", "Set IPAM driver specific options"),
  ],
  run: runCreate,
};

async function runCreate({ session, flags, args }: Invocation): Promise<void> {
  const version = await session.client.version();
  const configFrom = flags.string("config-from");
  const json = {
    Name: args[0],
    Driver: flags.string("driver"),
    Scope: flags.string("scope"),
    ...(flags.changed("ipv4") ? { EnableIPv4: flags.bool("ipv4") } : {}),
    ...(flags.changed("ipv6") ? { EnableIPv6: flags.bool("ipv6") } : {}),
    IPAM: {
      Driver: flags.string("ipam-driver"),
      Options: toMap(flags.list("ipam-opt")),
      Config: ipamConfig({
        subnets: flags.list("subnet"),
        ranges: flags.list("ip-range"),
        gateways: flags.list("gateway"),
        auxAddresses: toMap(flags.list("aux-address")),
      }),
    },
    Internal: flags.bool("internal"),
    Attachable: flags.bool("attachable"),
    Ingress: flags.bool("ingress"),
    ConfigOnly: flags.bool("config-only"),
    ConfigFrom: configFrom === "" ? null : { Network: configFrom },
    Options: toMap(flags.list("opt")),
    Labels: toMap(flags.list("label")),
    // Daemons before 1.44 check only when told to.
    ...(compareVersions(version, "1.44") < 0 ? { CheckDuplicate: true } : {}),
  };
  const created = await session.client.post<{ Id: string; Warning?: string }>("/networks/create", { json });
  // Docker's daemon never has one; ours tells of what is odd and works all the same
  if (created.Warning) session.err.line(`WARNING: ${created.Warning}`);
  session.out.line(created.Id);
}
