// A container's ports in the two forms of the wire: the list of `docker ps` and the map of inspect.

import type { ContainerView } from "../../engine/types.ts";
import { formatAddress } from "../../netip/index.ts";
import type { HostPort, PortMap, PortSummary } from "../schemas/container.ts";

/** Every exposed port with where it is published; empty while there is no sandbox, and where nothing can be published. */
export function portMap(view: ContainerView): PortMap {
  const { kind } = view.spec.networkMode;
  if (view.network.sandboxId === "" || kind === "host" || kind === "none") return {};
  const ports = new Map<string, HostPort[] | null>(exposedKeys(view).map((key) => [key, null]));
  for (const { protocol, containerPort, hostAddress, hostPort, count = 1 } of view.network.publishedPorts) {
    const HostIp = formatAddress(hostAddress);
    for (let at = 0; at < count; at++) {
      const key = `${containerPort + at}/${protocol}`;
      const published = { HostIp, HostPort: hostPort === 0 ? "" : `${hostPort + at}` };
      const known = ports.get(key);
      if (known) known.push(published);
      else ports.set(key, [published]);
    }
  }
  return Object.fromEntries(ports);
}

/** Exposed and published ports as the list of containers has them: one entry per port and host address. */
export function portSummaries(view: ContainerView): readonly PortSummary[] {
  return Object.entries(portMap(view)).flatMap(([key, hosts]) => {
    const [port = "", Type = ""] = key.split("/");
    const PrivatePort = Number(port);
    if (!hosts) return [{ PrivatePort, Type }];
    return hosts.map(({ HostIp, HostPort }) => ({
      IP: HostIp,
      PrivatePort,
      ...(HostPort !== "" && { PublicPort: Number(HostPort) }),
      Type,
    }));
  });
}

function exposedKeys(view: ContainerView): string[] {
  return view.spec.exposedPorts.flatMap(({ protocol, range }) =>
    Array.from({ length: range.last - range.first + 1 }, (_, at) => `${range.first + at}/${protocol}`),
  );
}
