// Ingress: ports that services publish are open on this host, and lead to endpoints on any host of the cluster
// (docs/decisions/0018). Follows the services for as long as the host is in a cluster.

import type { ClusterAccess } from "../../cluster/index.ts";
import { errorMessage } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { Controller } from "../controller.ts";
import type { EndpointLoss } from "../global/index.ts";
import type { Network } from "../network.ts";
import { type ClosedPort, ClosedPorts } from "./closed-ports.ts";
import { DirectEndpoints, kernelReturnPaths, type ReturnPaths } from "./direct-endpoints.ts";
import { type IngressPort, ingressId, ingressPorts, isIngressId, portKey } from "./ingress-spec.ts";
import { alignIngress, endIngress, type IngressHands, type Refusals } from "./network-ingress.ts";

export interface IngressOptions extends IngressHands {
  readonly controller: Pick<
    Controller,
    "createSandbox" | "sandbox" | "networks" | "services" | "followServices"
  >;
  /** Absent: the kernel's. */
  readonly returnPaths?: ReturnPaths;
  /** How soon what could not be opened is tried again; 3 s when absent. */
  readonly retryMs?: number;
  readonly log: Log;
}

/** A port that a host could not open, or could at last. */
export interface IngressChange {
  /** The host's id. */
  readonly node: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly port: Pick<IngressPort, "protocol" | "port">;
  /** Absent: it is open now. */
  readonly reason?: string;
}

/** Owns the sandboxes by which services of networks are reached. */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #listeners = new Set<(change: IngressChange) => void>();
  /** By network: what is done about it, one thing after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #refusals = new Map<string, Refusals>();
  readonly #direct = new Map<string, DirectEndpoints>();
  #closedPorts: ClosedPorts | undefined;
  #node = "";
  #stop: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: IngressOptions) {
    this.#options = options;
  }

  /** The host is in a cluster, whose networks the controller knows. */
  async begin(cluster: ClusterAccess): Promise<void> {
    const { controller, log } = this.#options;
    this.#node = cluster.self.id;
    this.#closedPorts = await ClosedPorts.open(cluster, log);
    const stopServices = controller.followServices((changed, gone) => {
      for (const networkId of new Set([...changed, ...gone].map(({ networkId }) => networkId)))
        this.#look(networkId);
    });
    const stopOthers = this.#followOthers(this.#closedPorts);
    this.#stop = () => {
      stopServices();
      stopOthers();
    };
    this.#lookAtAll();
    await this.#closedPorts.forgetOthers(new Set(this.#served()));
  }

  /** The cluster is about to go; when the host `leaves` it for good nothing stays. */
  async end({ leaves }: { readonly leaves: boolean }): Promise<void> {
    this.#stop?.();
    this.#stop = undefined;
    clearTimeout(this.#timer);
    await this.settle();
    if (leaves) await this.#removeAll();
    this.#closedPorts = undefined;
  }

  /** When it `keeps`, what is open stays so while there is no daemon. */
  async close({ keeps }: { readonly keeps: boolean }): Promise<void> {
    await this.end({ leaves: !keeps });
  }

  /** Resolves when nothing is under way; of one network, by its id. */
  async settle(networkId?: string): Promise<void> {
    const turns = () =>
      networkId === undefined ? [...this.#turns.values()] : [this.#turns.get(networkId)].filter((it) => it);
    while (turns().length > 0) await Promise.all(turns());
  }

  /** Opens and closes what is wished by now, without waiting to hear of it; resolves when that is done. */
  async serve(networkId: string): Promise<void> {
    this.#look(networkId);
    await this.settle(networkId);
  }

  /** Ports of services that some host could not open; of one network, by its id. */
  closedPorts(networkId?: string): readonly ClosedPort[] {
    return this.#closedPorts?.of(networkId) ?? [];
  }

  follow(listener: (change: IngressChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The sandbox cannot stay on its network as it is. Answers whether it is one of these. */
  lost({ containerId, networkId }: EndpointLoss): boolean {
    if (!isIngressId(containerId)) return false;
    this.#inTurn(networkId, () => this.#close(networkId));
    this.#look(networkId);
    return true;
  }

  #lookAtAll(): void {
    const { controller } = this.#options;
    const served = controller.services().map(({ networkId }) => networkId);
    for (const networkId of new Set([...served, ...this.#served()])) this.#look(networkId);
  }

  /** Networks that have such a sandbox here. */
  #served(): string[] {
    const { controller } = this.#options;
    // one that was removed may not be listed any more
    const ids = new Set([...controller.networks().map(({ id }) => id), ...this.#direct.keys()]);
    return [...ids].filter((id) => controller.sandbox(ingressId(id)) !== undefined);
  }

  /** Has a network compared with what is so, once more after what is under way. */
  #look(networkId: string): void {
    if (!this.#stop || this.#again.has(networkId)) return;
    this.#again.add(networkId);
    this.#inTurn(networkId, async () => {
      this.#again.delete(networkId);
      await this.#align(networkId);
    });
  }

  #inTurn(networkId: string, work: () => Promise<void>): void {
    const before = this.#turns.get(networkId) ?? Promise.resolve();
    const turn = before.then(work).catch((error: unknown) => {
      this.#options.log.error({ network: networkId, reason: errorMessage(error) }, "cannot serve ports");
    });
    this.#turns.set(networkId, turn);
    void turn.finally(() => {
      if (this.#turns.get(networkId) === turn) this.#turns.delete(networkId);
    });
  }

  async #align(networkId: string): Promise<void> {
    const { controller, log } = this.#options;
    const network = controller.networks().find(({ id }) => id === networkId);
    const isOpen = network && !network.record.internal;
    const ports = isOpen ? ingressPorts(controller.services(networkId)) : [];
    let refusals: Refusals = new Map();
    try {
      if (network && ports.length > 0) refusals = await this.#open(network, ports);
      else await this.#close(networkId);
    } catch (error) {
      const reason = errorMessage(error);
      log.warn({ network: network?.name ?? networkId, reason }, "cannot open the ports of services");
      refusals = new Map(ports.map((port) => [port, reason]));
    }
    this.#tell(networkId, refusals);
    await this.#closedPorts?.say(networkId, refusals);
    if (refusals.size > 0) this.#retry();
  }

  #open(network: Network, ports: readonly IngressPort[]): Promise<Refusals> {
    const { controller, returnPaths = kernelReturnPaths, log } = this.#options;
    const direct = this.#direct.get(network.id) ?? new DirectEndpoints({ controller, returnPaths, log });
    this.#direct.set(network.id, direct);
    const services = controller.services(network.id);
    return alignIngress(this.#options, network, {
      ports,
      directTargets: (ingress) => direct.align(network, { ingress, services }),
    });
  }

  async #close(networkId: string): Promise<void> {
    await endIngress(this.#options, networkId);
    await this.#direct.get(networkId)?.end();
    this.#direct.delete(networkId);
  }

  #tell(networkId: string, refusals: Refusals): void {
    const before = reasonsOf(this.#refusals.get(networkId));
    const after = reasonsOf(refusals);
    if (refusals.size > 0) this.#refusals.set(networkId, refusals);
    else this.#refusals.delete(networkId);
    const changes = [
      ...[...after.values()].filter(({ port, reason }) => before.get(portKey(port))?.reason !== reason),
      ...[...before.values()].filter(({ port }) => !after.has(portKey(port))).map(({ port }) => ({ port })),
    ];
    for (const change of changes) this.#report({ node: this.#node, networkId, ...change });
  }

  #followOthers(closedPorts: ClosedPorts): () => void {
    return closedPorts.follow(({ node, networkId, protocol, publishedPort }, reason) => {
      const port = { protocol, port: publishedPort };
      this.#report({ node, networkId, port, ...(reason !== undefined && { reason }) });
    });
  }

  /** A port that nobody wants open any more is no news. */
  #report(change: Omit<IngressChange, "networkName">): void {
    const { controller } = this.#options;
    const network = controller.networks().find(({ id }) => id === change.networkId);
    const wanted = ingressPorts(controller.services(change.networkId)).map(portKey);
    if (!network || !wanted.includes(portKey(change.port))) return;
    for (const listener of this.#listeners) listener({ ...change, networkName: network.name });
  }

  #retry(): void {
    clearTimeout(this.#timer);
    const { retryMs = 3_000 } = this.#options;
    this.#timer = setTimeout(() => {
      for (const networkId of this.#refusals.keys()) this.#look(networkId);
    }, retryMs).unref();
  }

  async #removeAll(): Promise<void> {
    for (const networkId of this.#served()) {
      await this.#close(networkId);
      await this.#closedPorts?.say(networkId, new Map());
    }
    this.#refusals.clear();
  }
}

function reasonsOf(refusals: Refusals = new Map()) {
  return new Map([...refusals].map(([port, reason]) => [portKey(port), { port, reason }]));
}
