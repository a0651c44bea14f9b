// What a check has at hand: the driver under watch, requests in good order, and a memory of all that it made, so that
// each check leaves the machine as it was.

import { setTimeout as pause } from "node:timers/promises";
import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  DriverTraits,
  EndpointInterface,
  EndpointOptions,
  EndpointRef,
  JoinRequest,
  JoinResponse,
  NetworkDriver,
  NetworkOptions,
  PoolData,
} from "../driverapi/index.ts";
import { type Address, hostPrefix } from "../netip/index.ts";
import { newId } from "../util/ids.ts";
import { Broken } from "./check.ts";
import { anyPool, hostOf, numbered, poolData } from "./pools.ts";
import type { Random } from "./random.ts";
import { differences } from "./remains.ts";
import type { Remains, Sandbox, Stage } from "./stage.ts";
import { type Watch, watched } from "./watch.ts";

export const noOptions: EndpointOptions = {
  exposedPorts: [],
  portBindings: [],
  dnsServers: [],
  driverOpts: {},
};

/** An endpoint that has joined a sandbox. */
export interface Member {
  readonly ref: EndpointRef;
  readonly request: CreateEndpointRequest;
  readonly sandbox: Sandbox;
  readonly interface: EndpointInterface;
  readonly response: JoinResponse;
}

export interface NetworkWish extends Partial<Omit<NetworkOptions, "generic">> {
  readonly networkName?: string;
  readonly generic?: Readonly<Record<string, string>>;
  readonly ipv4Data?: readonly PoolData[];
  readonly ipv6Data?: readonly PoolData[];
}

export interface SceneParts {
  readonly stage: Stage;
  readonly traits: DriverTraits;
  readonly watch: Watch;
  readonly random: Random;
  /** What was on the machine before anything was asked of the driver. */
  readonly before: Remains;
  /** Endpoints of this driver have links. */
  readonly hasLinks: boolean;
  /** What checks of this machine share, by name. */
  readonly shared: Map<string, unknown>;
}

export class Scene {
  readonly stage: Stage;
  readonly traits: DriverTraits;
  readonly random: Random;
  readonly before: Remains;
  readonly hasLinks: boolean;
  readonly #watch: Watch;
  readonly #shared: Map<string, unknown>;
  readonly #networks = new Map<string, number>();
  readonly #endpoints = new Map<string, EndpointRef>();
  readonly #members = new Map<string, Member>();
  readonly #sandboxes: Sandbox[] = [];
  readonly #usedHosts = new Map<string, number>();

  constructor(parts: SceneParts) {
    this.stage = parts.stage;
    this.traits = parts.traits;
    this.random = parts.random;
    this.before = parts.before;
    this.hasLinks = parts.hasLinks;
    this.#watch = parts.watch;
    this.#shared = parts.shared;
  }

  /** The instance of now, watched. */
  get driver(): NetworkDriver {
    return this.watched(this.stage.driver);
  }

  /** The same, which could change its requests. */
  get looseDriver(): NetworkDriver {
    return watched(this.stage.driver, this.#watch, { freezes: false });
  }

  watched<T extends object>(object: T): T {
    return watched(object, this.#watch);
  }

  get families(): readonly (4 | 6)[] {
    return this.traits.families ?? [4, 6];
  }

  get findsAddresses(): boolean {
    return this.stage.driver.capabilities?.findsAddresses === true;
  }

  /** A method that the driver has, or it would not be asked; bound to it. */
  method<K extends keyof NetworkDriver>(name: K): NonNullable<NetworkDriver[K]> {
    return this.driver[name] as NonNullable<NetworkDriver[K]>;
  }

  /** What the host can be made to do. */
  get weather(): NonNullable<Stage["weather"]> {
    const { weather } = this.stage;
    if (!weather) throw new Broken("a host that can be made to fail", "another one");
    return weather;
  }

  /** The daemon crashes and starts; `replay` tells the new instance what is on record. */
  async restart(replay: (driver: NetworkDriver) => Promise<void> = async () => undefined): Promise<void> {
    await this.stage.restart((driver) => replay(this.watched(driver)));
  }

  /** What is done once for several checks, as long as none of them fails. */
  async once<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (!this.#shared.has(name)) this.#shared.set(name, await work());
    return this.#shared.get(name) as T;
  }

  /** A request for a network of its own subnets; nothing is asked of the driver yet. */
  network(wish: NetworkWish = {}): CreateNetworkRequest {
    const number = this.#networks.size + 1;
    const networkId = newId();
    this.#networks.set(networkId, number);
    const { networkName = `verify${number}`, generic = {}, internal = false, ...rest } = wish;
    const enableIpv4 = rest.enableIpv4 ?? this.families.includes(4);
    const enableIpv6 = rest.enableIpv6 ?? this.families.includes(6);
    const pools = (family: 4 | 6) => [this.findsAddresses ? anyPool(family) : poolData(family, number)];
    return {
      networkId,
      networkName,
      options: {
        enableIpv4,
        enableIpv6,
        internal,
        generic: { ...numbered(this.traits.networkOptions, number), ...generic },
      },
      ipv4Data: rest.ipv4Data ?? (enableIpv4 ? pools(4) : []),
      ipv6Data: rest.ipv6Data ?? (enableIpv6 ? pools(6) : []),
    };
  }

  async madeNetwork(wish?: NetworkWish): Promise<CreateNetworkRequest> {
    const request = this.network(wish);
    await this.driver.createNetwork(request);
    return request;
  }

  /** A request for an endpoint with the network's next free addresses. */
  endpoint(network: CreateNetworkRequest, own?: EndpointInterface): CreateEndpointRequest {
    const host = (this.#usedHosts.get(network.networkId) ?? 1) + 1;
    this.#usedHosts.set(network.networkId, host);
    const ref = { networkId: network.networkId, endpointId: newId() };
    this.#endpoints.set(ref.endpointId, ref);
    return { ...ref, interface: own ?? this.#addressesOf(network, host), options: noOptions };
  }

  async madeEndpoint(network: CreateNetworkRequest): Promise<CreateEndpointRequest> {
    const request = this.endpoint(network);
    await this.driver.createEndpoint(request);
    return request;
  }

  async sandbox(): Promise<Sandbox> {
    const sandbox = await this.stage.sandbox();
    this.#sandboxes.push(sandbox);
    return sandbox;
  }

  joinRequest(ref: EndpointRef, sandbox: Sandbox): JoinRequest {
    const { networkId, endpointId } = ref;
    return { networkId, endpointId, sandboxKey: sandbox.key, freeIndex: 2, suggestedName: "eth0" };
  }

  /** An endpoint in a sandbox, with its link attached as a controller does it. */
  async connected(
    network: CreateNetworkRequest,
    options: { readonly sandbox?: Sandbox; readonly request?: CreateEndpointRequest } = {},
  ): Promise<Member> {
    const request = options.request ?? this.endpoint(network);
    const sandbox = options.sandbox ?? (await this.sandbox());
    const answer = await this.driver.createEndpoint(request);
    const ref = { networkId: request.networkId, endpointId: request.endpointId };
    const response = await this.driver.join(this.joinRequest(ref, sandbox));
    const own = { ...request.interface, ...answer, ...response.interface };
    const member = { ref, request, sandbox, interface: own, response };
    this.#members.set(ref.endpointId, member);
    await sandbox.attach(response, own);
    return member;
  }

  async left(member: Member): Promise<void> {
    await this.driver.leave(member.ref);
    this.#members.delete(member.ref.endpointId);
    await member.sandbox.detach(member.response);
  }

  async disconnected(member: Member): Promise<void> {
    await this.left(member);
    await this.driver.deleteEndpoint(member.ref);
    this.#endpoints.delete(member.ref.endpointId);
  }

  /** For endpoints that a check deletes by itself: nothing has to be taken out of their sandboxes any more. */
  forget({ ref }: Member): void {
    this.#members.delete(ref.endpointId);
  }

  /** Undoes what the check did, through the driver alone. */
  async clear(): Promise<void> {
    this.stage.weather?.calm();
    // not with their sandboxes, which end some time later: until then their addresses would be had twice
    await Promise.all([...this.#members.values()].map((member) => this.disconnected(member)));
    await Promise.all([...this.#endpoints.values()].map((ref) => this.driver.deleteEndpoint(ref)));
    await Promise.all(
      [...this.#networks.keys()].map((networkId) => this.driver.deleteNetwork({ networkId })),
    );
    this.#endpoints.clear();
    this.#networks.clear();
    await this.driver.settle?.();
    await this.removeSandboxes();
  }

  #addressesOf({ ipv4Data, ipv6Data }: CreateNetworkRequest, host: number): EndpointInterface {
    if (this.findsAddresses) return {};
    const [address, addressIpv6] = [ipv4Data[0], ipv6Data[0]].map((data) => {
      const own = data && hostOf(data, host);
      return own && this.traits.singleAddresses ? hostPrefix(own.address) : own;
    });
    return { ...(address && { address }), ...(addressIpv6 && { addressIpv6 }) };
  }

  async removeSandboxes(): Promise<void> {
    await Promise.all(this.#sandboxes.splice(0).map((sandbox) => sandbox.remove()));
  }

  /** What is there and was not before the driver was asked for anything, and what is gone. Waits a while: kernels do. */
  async difference(before: Remains = this.before): Promise<string[]> {
    await this.driver.settle?.();
    const deadline = Date.now() + this.#watch.patienceMs(this.stage.patienceMs);
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
      // looked at once more when time is up, however long a look took
      const isLast = Date.now() > deadline;
      const found = differences(before, await this.stage.remains());
      if (found.length === 0) return found;
      if (isLast) {
        this.#watch.noteLeak();
        return found;
      }
      await pause(pauseMs);
    }
  }

  /** What is on the machine when the driver has nothing left to do. */
  async settled(): Promise<Remains> {
    await this.driver.settle?.();
    return await this.stage.remains();
  }

  /** What is done with endpoints of a network leaves the machine as the network alone had it. */
  async mustLeaveNetwork(
    work: (network: CreateNetworkRequest) => Promise<unknown>,
    what = "the network without endpoints",
  ): Promise<void> {
    const network = await this.madeNetwork();
    const before = await this.settled();
    await work(network);
    await this.mustBeClean(what, before);
  }

  /** Everything on the machine is as it was. */
  async mustBeClean(what = "everything on the host as it was before", before?: Remains): Promise<void> {
    const found = await this.difference(before);
    if (found.length > 0)
      throw new Broken(
        what,
        found.join("; "),
        "what a call makes, its opposite removes; so does its failure",
      );
  }
}

/** Addresses of a member by family, as far as it has them. */
export function addressesIn({ interface: own }: Pick<Member, "interface">): readonly Address[] {
  return [own.address?.address, own.addressIpv6?.address].filter((each) => each !== undefined);
}
