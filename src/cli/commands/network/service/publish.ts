// network service publish, network service unpublish.

import { servicePath } from "../../../client/paths.ts";
import { type CommandSpec, minArgs } from "../../../command.ts";
import { closedOf, servicePortText } from "../../../format/services.ts";
import { parsePublishedPorts, parseServicePorts } from "../../../options/service-ports.ts";
import type { ServiceBody } from "../../../wire.ts";

export const publish: CommandSpec = {
  usage: "NETWORK SERVICE [PUBLISHED:]TARGET[/PROTOCOL] [[PUBLISHED:]TARGET[/PROTOCOL]...]",
  args: minArgs(3),
  flags: [],
  long: "Open ports of every host of the cluster, and share what comes there among the endpoints of a service",
  async run({ session, args }) {
    const [network = "", name = "", ...specs] = args;
    const ports = specs.flatMap(parseServicePorts);
    const path = servicePath(network, name, "/publish");
    const service = await session.client.post<ServiceBody>(path, { json: { Ports: ports } });
    const asked = new Set(ports.map(({ PublishedPort, Protocol }) => `${PublishedPort}/${Protocol}`));
    for (const port of service.Ports) {
      if (!asked.has(`${port.PublishedPort}/${port.Protocol}`)) continue;
      session.out.line(servicePortText(port));
      for (const { NodeName, Reason } of closedOf(service, port))
        session.err.line(
          `WARNING: ${NodeName} cannot open port ${port.PublishedPort}/${port.Protocol} yet: ${Reason}`,
        );
    }
  },
};

export const unpublish: CommandSpec = {
  usage: "NETWORK SERVICE PUBLISHED[/PROTOCOL] [PUBLISHED[/PROTOCOL]...]",
  args: minArgs(3),
  flags: [],
  long: "Close ports that were published for a service, on every host of the cluster",
  async run({ session, args }) {
    const [network = "", name = "", ...specs] = args;
    const json = { Ports: specs.flatMap(parsePublishedPorts) };
    await session.client.post(servicePath(network, name, "/unpublish"), { json });
  },
};
