// Services of a network. These routes are ours, beside Docker's.

import type { PublishedPortRef, PublishedService, ServiceOperations } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import type { Call } from "../call.ts";
import { anyValue, booleanValue, type KnownFilters, portValue, readFilters } from "../filters.ts";
import { get, ok, post, type Route } from "../route.ts";
import { type ServicePortInput, servicePortsRequest } from "../schemas/service.ts";
import { serviceWire } from "./service-view.ts";

export const serviceRoutes = ({ services }: { readonly services: ServiceOperations }): readonly Route[] => [
  get("/networks/:id/services", async (call) => {
    const views = await services.list(call.parameter("id"), readFilters(call.query, listFilters));
    return ok(views.map(serviceWire));
  }),
  get("/networks/:id/services/:name", async (call) =>
    ok(serviceWire(await services.inspect(call.parameter("id"), call.parameter("name")))),
  ),
  post("/networks/:id/services/:name/publish", async (call) => {
    const ports = (await readPorts(call)).map(readPublished);
    return ok(serviceWire(await services.publish(call.parameter("id"), call.parameter("name"), ports)));
  }),
  post("/networks/:id/services/:name/unpublish", async (call) => {
    const ports = (await readPorts(call)).map(readRef);
    return ok(serviceWire(await services.unpublish(call.parameter("id"), call.parameter("name"), ports)));
  }),
];

const listFilters: KnownFilters = {
  name: anyValue,
  node: anyValue,
  publish: portValue,
  ready: booleanValue,
};

async function readPorts(call: Call): Promise<readonly ServicePortInput[]> {
  const { Ports = [] } = (await call.json(servicePortsRequest)) ?? {};
  if (Ports.length === 0) throw invalid("invalid Ports: at least one port is wanted");
  return Ports;
}

function readPublished(port: ServicePortInput): PublishedService {
  return { ...readRef(port), targetPort: readPort("TargetPort", port.TargetPort) };
}

function readRef({ Protocol, PublishedPort }: ServicePortInput): PublishedPortRef {
  return {
    protocol: readProtocol(Protocol || "tcp"),
    publishedPort: readPort("PublishedPort", PublishedPort),
  };
}

function readPort(field: string, port: number | undefined): number {
  if (port === undefined) throw invalid(`invalid ${field}: a port is wanted`);
  if (port < 1 || port > 65_535) throw invalid(`invalid ${field}: ${port} is not a port`);
  return port;
}

function readProtocol(text: string): PublishedService["protocol"] {
  const protocol = text.toLowerCase();
  if (protocol === "tcp" || protocol === "udp" || protocol === "sctp") return protocol;
  throw invalid(`invalid Protocol: ${JSON.stringify(text)} is none of tcp, udp, sctp`);
}
