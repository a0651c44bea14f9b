// What depends on all of a sandbox's endpoints together: routes and published ports, names and files, legacy links; and
// what its neighbours are told of it.

import { allDone } from "../util/all-done.ts";
import { errorMessage } from "../util/errors.ts";
import { advertise } from "./advertise.ts";
import type { ControllerParts } from "./controller-parts.ts";
import type { Endpoint } from "./endpoint.ts";
import { EtcFiles } from "./etc-files.ts";
import { noteOwnPorts } from "./external.ts";
import { Links } from "./links.ts";
import type { Netns } from "./netns.ts";
import { SandboxDiscovery } from "./sandbox-discovery.ts";
import type { SandboxSpec } from "./types.ts";
import { WayOut } from "./way-out.ts";

/** Endpoints as they are to be served. */
export interface Served {
  readonly endpoints: readonly Endpoint[];
  readonly spec: SandboxSpec;
  /** Those that are about to go. */
  readonly leaving?: readonly Endpoint[];
}

/** Owned by its sandbox. */
export class Settlement {
  readonly #parts: ControllerParts;
  readonly #netns: Netns | undefined;
  readonly #wayOut: WayOut;
  readonly #links: Links;
  readonly #discovery: SandboxDiscovery;
  /** Of whose addresses no neighbour has been told. */
  #untold: Endpoint[] = [];

  constructor(
    parts: ControllerParts,
    {
      sandboxId,
      spec,
      netns,
      hasIpv6,
    }: { sandboxId: string; spec: SandboxSpec; netns: Netns | undefined; hasIpv6: boolean },
  ) {
    this.#parts = parts;
    this.#netns = netns;
    this.#wayOut = new WayOut(netns);
    this.#links = new Links(parts);
    const files = new EtcFiles(spec, parts.hostFiles, hasIpv6);
    this.#discovery = new SandboxDiscovery(parts, { sandboxId, netns, files });
  }

  /** An endpoint that is served from the next `settle` on. */
  welcome(endpoint: Endpoint): void {
    this.#untold.push(endpoint);
  }

  /** Brings everything in line with these endpoints. Repeating a call changes nothing. */
  async settle({ endpoints, spec, leaving = [] }: Served): Promise<void> {
    await allDone([
      this.#settleWayOut({ endpoints, spec, leaving }),
      this.#discovery.settle(endpoints),
      this.#links.settle(endpoints),
    ]);
    for (const endpoint of this.#untold.splice(0)) this.#advertise(endpoint);
  }

  /** Whether the container's default routes, and its ports, stay where they are. */
  keepsWayOut(endpoints: readonly Endpoint[]): boolean {
    return this.#wayOut.isBy(endpoints);
  }

  /** Takes over what is there already, after a start. What a user changed inside meanwhile stays. */
  async adopt(endpoints: readonly Endpoint[]): Promise<void> {
    this.#discovery.adopt(endpoints);
    await this.#wayOut.adopt(endpoints);
  }

  /** Publishes the ports that the spec has now, and no others. On failure publish those of before again. */
  async republish({ endpoints, spec }: Served): Promise<void> {
    await this.#notingOwnPorts(endpoints, () => this.#wayOut.republish(endpoints, spec));
  }

  /** Hosts and resolv.conf as they are now. */
  async writeFiles(endpoints: readonly Endpoint[]): Promise<void> {
    await this.#discovery.settle(endpoints);
  }

  /** Links to other containers may name one that came or went. */
  async refreshLinks(endpoints: readonly Endpoint[]): Promise<void> {
    const hasLinks = endpoints.some(({ record }) => record.spec.links.length > 0);
    if (hasLinks) await allDone([this.#discovery.settle(endpoints), this.#links.settle(endpoints)]);
  }

  /** After their names changed. */
  async announceAgain(endpoints: readonly Endpoint[]): Promise<void> {
    await this.#discovery.announceAgain(endpoints);
  }

  /** After services of its networks changed. */
  async balance(endpoints: readonly Endpoint[]): Promise<void> {
    await this.#discovery.balance(endpoints);
  }

  /** Nobody finds the endpoint by name any more. */
  async withdrawNames(endpoint: Endpoint): Promise<void> {
    await this.#discovery.withdraw(endpoint);
  }

  async endResolver(): Promise<void> {
    await this.#discovery.end();
  }

  async #settleWayOut({ endpoints, spec, leaving }: Required<Served>): Promise<void> {
    await this.#notingOwnPorts(endpoints, () => this.#wayOut.settle(endpoints, spec, leaving));
  }

  /** Of endpoints that have come, and of those whose ports have changed. */
  async #notingOwnPorts(endpoints: readonly Endpoint[], work: () => Promise<void>): Promise<void> {
    const before = new Map(endpoints.map((endpoint) => [endpoint, endpoint.record.published]));
    await work();
    const isNews = (endpoint: Endpoint) =>
      this.#untold.includes(endpoint) || endpoint.record.published !== before.get(endpoint);
    await noteOwnPorts(endpoints.filter(isNews), ({ network }, error) => {
      const fields = { network: network.name, reason: errorMessage(error) };
      this.#parts.log.warn(fields, "a driver does not say which ports it has published");
    });
  }

  /** Nobody waits for it: who knows another's MAC for an address asks again by himself, only later. */
  #advertise(endpoint: Endpoint): void {
    const { background, log } = this.#parts;
    const netns = this.#netns;
    if (netns) background.run("announce addresses", () => advertise(log, endpoint, netns));
  }
}
