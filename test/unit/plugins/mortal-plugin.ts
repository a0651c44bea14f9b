// A plugin that keeps its own books, as somebody else's would, and that can be killed in any call: before it has done
// what it was asked, or when it had and nobody heard.

import { rm } from "node:fs/promises";
import { type Answer, type Asked, FakePlugin } from "./fake-plugin.ts";

export interface Death {
  /** 1: the first call of its life. */
  readonly atCall: number;
  readonly when: "before" | "after";
}

interface Request {
  readonly NetworkID?: string;
  readonly EndpointID?: string;
  readonly PoolID?: string;
  readonly Pool?: string;
  readonly Address?: string;
}

export class MortalPlugin {
  readonly networks = new Set<string>();
  readonly endpoints = new Set<string>();
  readonly joined = new Set<string>();
  readonly pools = new Set<string>();
  readonly addresses = new Set<string>();
  readonly calls: string[] = [];
  readonly #path: string;
  #death: Death | undefined;
  #next = 2;
  #fake: FakePlugin | undefined;

  constructor(path: string, death?: Death) {
    this.#path = path;
    this.#death = death;
  }

  get isDead(): boolean {
    return this.#fake === undefined;
  }

  /** All that it has on its books. */
  get books(): readonly string[] {
    const { networks, endpoints, joined, pools, addresses } = this;
    return Object.entries({ networks, endpoints, joined, pools, addresses }).flatMap(([what, ids]) =>
      [...ids].map((id) => `${what}: ${id}`),
    );
  }

  /** Starts it, or starts it again: it lives for ever then. */
  async start(): Promise<void> {
    if (this.#fake) return;
    await rm(this.#path, { force: true });
    const isFirst = this.calls.length === 0;
    if (!isFirst) this.#death = undefined;
    const answers = Object.fromEntries(
      Object.entries(this.#methods()).map(([name, work]) => [name, this.#mortal(name, work)]),
    );
    this.#fake = await new FakePlugin(answers).listen({ path: this.#path });
  }

  async stop(): Promise<void> {
    await this.#fake?.stop();
    this.#fake = undefined;
  }

  #mortal(name: string, work: (request: Request) => object): Answer {
    return async (asked: Asked, response) => {
      this.calls.push(name);
      const isLast = this.#death?.atCall === this.calls.length;
      if (isLast && this.#death?.when === "before") return await this.stop();
      const answer = work((asked.body ?? {}) as Request);
      if (isLast) return await this.stop();
      response.end(JSON.stringify(answer));
    };
  }

  #methods(): Record<string, (request: Request) => object> {
    const nothing = () => ({});
    return {
      "Plugin.Activate": () => ({ Implements: ["NetworkDriver", "IpamDriver"] }),
      "NetworkDriver.GetCapabilities": () => ({ Scope: "local" }),
      "NetworkDriver.CreateNetwork": ({ NetworkID = "" }) => add(this.networks, NetworkID),
      "NetworkDriver.DeleteNetwork": ({ NetworkID = "" }) => remove(this.networks, NetworkID),
      "NetworkDriver.CreateEndpoint": ({ EndpointID = "" }) => add(this.endpoints, EndpointID),
      "NetworkDriver.DeleteEndpoint": ({ EndpointID = "" }) => remove(this.endpoints, EndpointID),
      "NetworkDriver.Join": ({ EndpointID = "" }) => {
        add(this.joined, EndpointID);
        return { InterfaceName: null, Gateway: "10.9.0.1" };
      },
      "NetworkDriver.Leave": ({ EndpointID = "" }) => remove(this.joined, EndpointID),
      "NetworkDriver.ProgramExternalConnectivity": nothing,
      "NetworkDriver.RevokeExternalConnectivity": nothing,
      "IpamDriver.GetCapabilities": nothing,
      "IpamDriver.GetDefaultAddressSpaces": () => ({
        LocalDefaultAddressSpace: "here",
        GlobalDefaultAddressSpace: "there",
      }),
      "IpamDriver.RequestPool": ({ Pool = "" }) => {
        add(this.pools, Pool);
        return { PoolID: Pool, Pool };
      },
      "IpamDriver.ReleasePool": ({ PoolID = "" }) => remove(this.pools, PoolID),
      "IpamDriver.RequestAddress": ({ Address = "" }) => {
        const leased = Address || `10.9.0.${this.#next++}`;
        add(this.addresses, leased);
        return { Address: `${leased}/24` };
      },
      "IpamDriver.ReleaseAddress": ({ Address = "" }) => remove(this.addresses, Address),
    };
  }
}

function add(ids: Set<string>, id: string): object {
  ids.add(id);
  return {};
}

/** What is gone is gone: such a call may come twice. */
function remove(ids: Set<string>, id: string): object {
  ids.delete(id);
  return {};
}
