// Publishing and unpublishing ports of a container that is there already.

import type { Engine, PortSelection } from "../../engine/types.ts";
import { invalid } from "../../util/errors.ts";
import { ok, post, type Route } from "../route.ts";
import { type PortsRequest, type PortsResponse, portsRequest } from "../schemas/ports.ts";
import { readBinding } from "./networking.ts";
import { portMap } from "./ports.ts";

export const portRoutes = ({ containers }: Engine): readonly Route[] => [
  post("/containers/:id/ports", async (call) => {
    const { Add = {}, Remove = {} } = (await call.json(portsRequest)) ?? {};
    const changes = {
      add: readBindings(Add),
      remove: readBindings(Remove) satisfies readonly PortSelection[],
    };
    if (changes.add.length + changes.remove.length === 0)
      throw invalid("no port to add or remove: neither Add nor Remove names one");
    await containers.changePorts(call.parameter("id"), changes);
    const view = await containers.inspect(call.parameter("id"));
    return ok({ Ports: portMap(view) } satisfies PortsResponse);
  }),
];

/** A port without bindings stands for any host port when added, and for all of its host ports when removed. */
function readBindings(bindings: NonNullable<PortsRequest["Add"]>) {
  return Object.entries(bindings).flatMap(([port, hosts]) =>
    (hosts.length > 0 ? hosts : [{}]).flatMap((host) => readBinding(port, host)),
  );
}
