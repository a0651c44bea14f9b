// port: what is published; `port add` and `port rm` change it while the container runs.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, rangeArgs } from "../../command.ts";
import { quote } from "../../flags/numbers.ts";
import { compareNatural } from "../../format/natural.ts";
import { joinHostPort, type Ports, portLines } from "../../format/ports.ts";
import type { ContainerInspect } from "../../wire.ts";
import { changePorts, isPortChange } from "./port-change.ts";

export const port: CommandSpec = {
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  aliases: ["tsdocker container port", "tsdocker port"],
  long: `List port mappings or a specific mapping for the container

Ports of a container that is there already are changed by
  tsdocker port add CONTAINER [IP:][HOST_PORT:]PRIVATE_PORT[/PROTO]...
  tsdocker port rm CONTAINER [IP:][HOST_PORT:]PRIVATE_PORT[/PROTO]...`,
  args: rangeArgs(1, 2),
  accepts: isPortChange,
  flags: [],
  run: runPort,
};

async function runPort({ session, args }: Invocation): Promise<void> {
  if (isPortChange(args)) return await changePorts(session, args);
  const [name = "", wanted] = args;
  const container = await session.client.get<ContainerInspect>(containerPath(name, "/json"));
  const ports = container.NetworkSettings.Ports ?? {};
  const lines = wanted ? onePort(ports, wanted, name) : portLines(ports);
  if (lines.length > 0) session.out.line(lines.toSorted(compareNatural).join("\n"));
}

function onePort(ports: Ports, wanted: string, name: string): string[] {
  const [number = "", proto = ""] = wanted.split("/");
  if (!/^\d+$/.test(number) || Number(number) > 65535) {
    const why = /^\d+$/.test(number) ? "value out of range" : "invalid syntax";
    throw new Error(`Error: invalid port (${number}): strconv.ParseUint: parsing ${quote(number)}: ${why}`);
  }
  const bindings = ports[`${number}/${proto || "tcp"}`] ?? [];
  if (bindings.length === 0) throw new Error(`Error: No public port '${wanted}' published for ${name}`);
  return bindings.map((binding) => joinHostPort(binding.HostIp, binding.HostPort));
}
