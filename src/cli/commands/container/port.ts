// port.

import { containerPath } from "../../client/paths.ts";
import { type CommandSpec, type Invocation, rangeArgs } from "../../command.ts";
import { quote } from "../../flags/numbers.ts";
import { compareNatural } from "../../format/natural.ts";
import { joinHostPort } from "../../format/ports.ts";
import type { ContainerInspect } from "../../wire.ts";

export const port: CommandSpec = {
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  aliases: ["tsdocker container port", "tsdocker port"],
  args: rangeArgs(1, 2),
  flags: [],
  run: runPort,
};

async function runPort({ session, args }: Invocation): Promise<void> {
  const [name = "", wanted] = args;
  const container = await session.client.get<ContainerInspect>(containerPath(name, "/json"));
  const ports = container.NetworkSettings.Ports ?? {};
  const lines = wanted ? onePort(ports, wanted, name) : allPorts(ports);
  if (lines.length > 0) session.out.line(lines.toSorted(compareNatural).join("\n"));
}

type Ports = NonNullable<ContainerInspect["NetworkSettings"]["Ports"]>;

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

function allPorts(ports: Ports): string[] {
  return Object.entries(ports).flatMap(([from, bindings]) =>
    (bindings ?? []).map((binding) => `${from} -> ${joinHostPort(binding.HostIp, binding.HostPort)}`),
  );
}
