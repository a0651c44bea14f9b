// Legacy links on networks without names: the linked containers are lines of hosts, and where the network keeps its
// containers apart its driver lets their exposed ports through.

import type { LinkedEndpoint } from "../driverapi/index.ts";
import { shortId } from "../util/ids.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { linkedEndpoint } from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HostLine } from "./etc-files.ts";
import { refOf } from "./join.ts";
import type { NetworkEndpoint } from "./network.ts";
import { unpack } from "./stored.ts";

/** The lines of hosts for the containers that these endpoints are linked to and that are there now. */
export function linkLines(endpoints: readonly Endpoint[]): HostLine[] {
  return endpoints.flatMap((endpoint) =>
    linked(endpoint).flatMap(({ alias, to }) => {
      const { containerId, containerName } = to.record;
      const names = [...new Set([alias, shortId(containerId), containerName])];
      return to.addresses.map((address) => ({ address, names }));
    }),
  );
}

/** Owned by its sandbox. */
export class Links {
  readonly #parts: ControllerParts;
  /** What drivers were told last, by endpoint. */
  readonly #told = new Map<string, string>();

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  /** Tells the drivers of these endpoints what they are linked to now. Repeating a call changes nothing. */
  async settle(endpoints: readonly Endpoint[]): Promise<void> {
    for (const endpoint of endpoints) await this.#settle(endpoint);
  }

  async #settle(endpoint: Endpoint): Promise<void> {
    const links = linked(endpoint).map(
      ({ to }): LinkedEndpoint => ({ endpointId: to.id, ports: this.#exposed(to) }),
    );
    const told = JSON.stringify(links);
    if (told === (this.#told.get(endpoint.id) ?? "[]")) return;
    this.#told.set(endpoint.id, told);
    await endpoint.network.driver.setLinks?.({ ...refOf(endpoint), links });
  }

  #exposed({ record }: NetworkEndpoint) {
    const sandbox = this.#parts.records.sandboxes.get(record.sandboxId);
    return sandbox ? unpack(sandbox).spec.exposedPorts : [];
  }
}

function linked(endpoint: Endpoint): { readonly alias: string; readonly to: NetworkEndpoint }[] {
  if (endpoint.network.isUserDefined) return [];
  return endpoint.record.spec.links.flatMap(({ container, alias }) => {
    const to = linkedEndpoint(endpoint, container);
    return to ? [{ alias, to }] : [];
  });
}
