// What a sandbox knows and tells of names: its files under /etc, its resolver, the records of its endpoints, and where
// services' addresses lead.

import { allDone } from "../util/all-done.ts";
import type { ControllerParts } from "./controller-parts.ts";
import {
  announce,
  namedEndpoints,
  networkServers,
  privateNames,
  reachable,
  SandboxResolver,
  withdraw,
} from "./discovery.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EtcFiles } from "./etc-files.ts";
import { isGlobal, SandboxBalance } from "./global/index.ts";
import { linkLines } from "./links.ts";
import type { Netns } from "./netns.ts";

interface Parts {
  readonly sandboxId: string;
  /** Undefined in the host's netns, which has the host's names and no others. */
  readonly netns: Netns | undefined;
  readonly files: EtcFiles;
}

/** Owned by its sandbox. */
export class SandboxDiscovery {
  readonly #parts: ControllerParts;
  readonly #netns: Netns | undefined;
  readonly #files: EtcFiles;
  readonly #resolver: SandboxResolver;
  readonly #balance: SandboxBalance | undefined;
  readonly #announced = new Set<Endpoint>();

  constructor(parts: ControllerParts, { sandboxId, netns, files }: Parts) {
    this.#parts = parts;
    this.#netns = netns;
    this.#files = files;
    this.#resolver = new SandboxResolver(parts.resolvers, sandboxId);
    this.#balance = netns && new SandboxBalance(netns);
  }

  /** Brings names, files and resolver in line with these endpoints. Repeating a call changes nothing. */
  async settle(endpoints: readonly Endpoint[]): Promise<void> {
    if (!this.#netns) return await this.#files.copyHostFiles();
    const fresh = endpoints.filter((endpoint) => !this.#announced.has(endpoint));
    for (const endpoint of fresh) this.#announced.add(endpoint);
    const addresses = endpoints.filter(({ isHidden }) => !isHidden).flatMap(({ addresses }) => addresses);
    await allDone([
      ...fresh.map((endpoint) => announce(this.#parts, endpoint)),
      this.#files.setHosts(addresses, linkLines(endpoints)),
      this.#settleResolver(this.#netns, endpoints),
      this.balance(endpoints),
    ]);
  }

  /** Its files are there already, and whatever a user made of them: after a start. */
  adopt(endpoints: readonly Endpoint[]): void {
    this.#files.adopt();
    if (endpoints.some(({ network }) => isGlobal(network))) this.#balance?.adopt();
  }

  /** After their names, or what is said of them, changed. Those that were withdrawn stay so. */
  async announceAgain(endpoints: readonly Endpoint[]): Promise<void> {
    const announced = endpoints.filter((endpoint) => this.#announced.has(endpoint));
    await allDone(announced.map((endpoint) => announce(this.#parts, endpoint)));
  }

  /** Leads what goes to the services of its networks to who serves them now. */
  async balance(endpoints: readonly Endpoint[]): Promise<void> {
    const services = this.#parts.globals.balanceOf(endpoints.map(({ network }) => network));
    if (services) await this.#balance?.set(services);
  }

  async withdraw(endpoint: Endpoint): Promise<void> {
    this.#announced.delete(endpoint);
    await withdraw(this.#parts, endpoint);
  }

  async end(): Promise<void> {
    this.#balance?.end();
    await this.#resolver.end();
  }

  async #settleResolver(netns: Netns, endpoints: readonly Endpoint[]): Promise<void> {
    const named = namedEndpoints(endpoints);
    // one that runs goes on: programs in the container have read resolv.conf
    const isInternal = named.length > 0 || this.#resolver.isRunning;
    const mode = isInternal ? "internal" : "legacy";
    const servers = await this.#files.setResolvConf(mode, networkServers(endpoints));
    if (!isInternal) return;
    const upstreams = reachable(servers, endpoints);
    await this.#resolver.set(netns, {
      networks: named.map(({ network }) => network.id),
      privateNames: privateNames(endpoints),
      upstreams,
      forwards: upstreams.length > 0,
    });
  }
}
