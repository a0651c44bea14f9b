// The resolver of one sandbox: two sockets in its netns, what it may see, whom it may ask.

import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import {
  decide,
  encodeReply,
  movingRecords,
  parseQuery,
  type Query,
  refusal,
  relayReply,
  serverFailure,
  type View,
  type Zones,
} from "../dns/index.ts";
import { unless } from "../kernel/errors.ts";
import { PreparedReplies } from "../kernel/prepared-replies.ts";
import { bindSockets, socketAddress } from "../kernel/socket.ts";
import type { Address } from "../netip/index.ts";
import { exchange } from "./exchange.ts";
import type { Reply, Transport } from "./responder.ts";
import { TcpResponder } from "./tcp-responder.ts";
import type { ResolverConfig, ResolverPorts } from "./types.ts";
import { type Batches, type UdpAnswerer, UdpResponder } from "./udp-responder.ts";
import type { UpstreamLease, UpstreamPool } from "./upstream-pool.ts";

/** What all resolvers of a process share. */
export interface ResolverWorld extends Batches {
  readonly zones: Zones;
  readonly pool: UpstreamPool;
  /** Netns of the host; undefined = the process's own. */
  readonly hostNetns: string | undefined;
  /** Questions in flight of all resolvers. */
  readonly load: { inFlight: number };
}

export const resolverAddress: Address = { family: 4, value: 0x7f00000bn };

/**
 * Questions that may wait for an answer from outside. A sandbox may have as many as are left free by all: alone 20,480,
 * beside another flood a third each, and there is always room for one that begins.
 */
const mostInFlight = 40_960;

/** Owns its sockets; answers what it knows and asks others for the rest. */
export class SandboxResolver {
  readonly ports: ResolverPorts;
  readonly #world: ResolverWorld;
  readonly #netnsId: string;
  readonly #responders: readonly { close(): void }[];
  /** Our own answers over UDP, until the names change: most questions are asked again and again. */
  readonly #prepared = new PreparedReplies();
  #config: ResolverConfig;
  #view: View;
  #leases: UpstreamLease[];
  #inFlight = 0;

  /**
   * Opens the sockets, on `ports` where they are free.
   * Rejects with KernelError: ENOENT when the netns is not there.
   */
  static async open(
    config: ResolverConfig,
    world: ResolverWorld,
    ports?: ResolverPorts,
  ): Promise<SandboxResolver> {
    const netnsId = await identityOf(config.netns);
    const sockets = (ports && (await openSockets(config.netns, ports))) ?? (await openSockets(config.netns));
    if (!sockets) throw new Error("open the sockets of a resolver: no port is free");
    return new SandboxResolver(config, world, { netnsId, ...sockets });
  }

  private constructor(
    config: ResolverConfig,
    world: ResolverWorld,
    { netnsId, udp, tcp }: { netnsId: string; udp: number; tcp: number },
  ) {
    this.#world = world;
    this.#netnsId = netnsId;
    this.#config = config;
    this.#view = this.#viewOf(config);
    this.#leases = this.#lease(config);
    this.ports = { udp: socketAddress(udp).port, tcp: socketAddress(tcp).port };
    this.#responders = [
      new UdpResponder(udp, this.#udpAnswerer(), world),
      new TcpResponder(tcp, (bytes) => this.#reply(bytes, "tcp")),
    ];
  }

  /** True when its sockets are in the namespace that is now at the path: a path may be used again. */
  async isIn(netns: string): Promise<boolean> {
    return this.#config.netns === netns && this.#netnsId === (await identityOf(netns));
  }

  /** Takes a new configuration in the same netns. */
  update(config: ResolverConfig): void {
    if (isDeepStrictEqual(config, this.#config)) return;
    const before = this.#leases;
    this.#config = config;
    this.#view = this.#viewOf(config);
    this.#leases = this.#lease(config);
    this.#prepared.clear();
    for (const lease of before) lease.release(); // last, so that a server that stays keeps its sockets
  }

  close(): void {
    for (const responder of this.#responders) responder.close();
    for (const lease of this.#leases) lease.release();
    this.#leases = [];
  }

  #viewOf({ networks, privateNames, forwards }: ResolverConfig): View {
    const names = Object.entries(privateNames).map(([name, ids]) => [name.toLowerCase(), ids] as const);
    return { zones: this.#world.zones, networks, forwards, privateNames: Object.fromEntries(names) };
  }

  #lease({ netns, upstreams }: ResolverConfig): UpstreamLease[] {
    return upstreams
      .filter(({ address, from }) => from === "host" || address.value !== resolverAddress.value) // that is us
      .map(({ address, port = 53, zone, from }) =>
        this.#world.pool.lease({
          address,
          port,
          netns: from === "host" ? this.#world.hostNetns : netns,
          ...(zone !== undefined && { zone }),
        }),
      );
  }

  #udpAnswerer(): UdpAnswerer {
    const { zones } = this.#world;
    return {
      prepared: this.#prepared,
      get version() {
        return zones.version;
      },
      reply: (bytes) => this.#reply(bytes, "udp"),
    };
  }

  #reply(bytes: Buffer, transport: Transport): Reply {
    const parsed = parseQuery(bytes);
    if (parsed.kind === "drop") return undefined;
    if (parsed.kind === "error") return parsed.reply;
    const decision = decide(parsed.query, this.#view);
    if (decision.kind === "forward") return this.#forward(parsed.query, transport);
    const reply = encodeReply(parsed.query, decision.content, transport);
    const moving = transport === "udp" && movingRecords(parsed.query, decision.content, reply);
    if (moving) this.#prepared.put(this.#world.zones.version, bytes, reply, moving);
    return reply;
  }

  #forward(query: Query, transport: Transport): Reply {
    const { load } = this.#world;
    if (!hasRoom(this.#inFlight, load.inFlight)) return refusal(query);
    return this.#askOutside({ ...query, bytes: Buffer.from(query.bytes) }, transport);
  }

  async #askOutside(query: Query, transport: Transport): Promise<Buffer> {
    const { load } = this.#world;
    const upstreams = this.#leases.map(({ upstream }) => upstream);
    this.#inFlight++;
    load.inFlight++;
    try {
      const response = await exchange(query, transport, upstreams);
      return response ? relayReply(query, response, transport) : serverFailure(query);
    } finally {
      this.#inFlight--;
      load.inFlight--;
    }
  }
}

/** Whether a sandbox with so many questions in flight may ask one more, when all have so many. */
export function hasRoom(own: number, all: number): boolean {
  return own < mostInFlight - all;
}

/** Undefined when a port is taken. */
async function openSockets(
  netns: string,
  ports: ResolverPorts = { udp: 0, tcp: 0 },
): Promise<{ udp: number; tcp: number } | undefined> {
  // freeBind: loopback may not be up yet; reuseAddress: connections of the one before us may linger
  const socket = { netns, address: resolverAddress, freeBind: true } as const;
  const sockets = bindSockets([
    { ...socket, protocol: "udp", port: ports.udp },
    { ...socket, protocol: "tcp", port: ports.tcp, reuseAddress: true },
  ]);
  const [udp, tcp] = (await unless(["EADDRINUSE"], sockets)) ?? [];
  return udp === undefined || tcp === undefined ? undefined : { udp, tcp };
}

async function identityOf(netns: string): Promise<string> {
  const { dev, ino } = await stat(netns);
  return `${dev} ${ino}`;
}
