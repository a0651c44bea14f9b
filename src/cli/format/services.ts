// Rows of `network service ls`.

import type { ServiceBody } from "../wire.ts";
import type { ListLayout, Row } from "./rows.ts";

export const serviceLayout: ListLayout = {
  typeName: "*network.serviceContext",
  headers: {
    Network: "NETWORK",
    NetworkID: "NETWORK ID",
    Name: "NAME",
    VIP: "VIP",
    Endpoints: "ENDPOINTS",
    Ready: "READY",
    Total: "TOTAL",
    Ports: "PORTS",
  },
};

const serviceTable = "table {{.Network}}\t{{.Name}}\t{{.VIP}}\t{{.Endpoints}}\t{{.Ports}}";

/** The template behind `table`; others are the user's own. */
export function serviceFormat(source: string, quiet: boolean): string {
  if (source === "table") return quiet ? "{{.Name}}" : serviceTable;
  return source;
}

export function serviceRow(service: ServiceBody): Row {
  const ready = service.Endpoints.filter(({ Ready }) => Ready).length;
  const total = service.Endpoints.length;
  return {
    Network: () => service.NetworkName,
    NetworkID: () => service.NetworkID,
    Name: () => service.Name,
    VIP: () => service.VIPs.join(", "),
    Endpoints: () => (ready === total ? String(total) : `${ready}/${total}`),
    Ready: () => String(ready),
    Total: () => String(total),
    Ports: () =>
      service.Ports.map((port) => `${servicePortText(port)}${closedText(service, port)}`).join(", "),
  };
}

/** `*:8080->80/tcp`: on every host. */
export function servicePortText(port: ServiceBody["Ports"][number]): string {
  return `*:${port.PublishedPort}->${port.TargetPort}/${port.Protocol}`;
}

/** Where a port is not open. */
export const closedOf = (service: ServiceBody, port: ServiceBody["Ports"][number]) =>
  (service.Closed ?? []).filter(
    (closed) => closed.PublishedPort === port.PublishedPort && closed.Protocol === port.Protocol,
  );

function closedText(service: ServiceBody, port: ServiceBody["Ports"][number]): string {
  const hosts = closedOf(service, port).map(({ NodeName }) => NodeName);
  return hosts.length === 0 ? "" : ` (closed on ${hosts.join(" and ")})`;
}
