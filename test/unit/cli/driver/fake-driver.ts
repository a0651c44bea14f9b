// A plugin's answers for conversations: choices (addresses, names of links) depend on a seed.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenAsPlugin, type Question } from "../../../../src/cli/commands/driver/sockets.ts";

type Answers = Readonly<Record<string, (request: Readonly<Record<string, string>>) => object>>;

export const networkId = "ab".repeat(32);
export const endpointId = "cd".repeat(32);

/** Hands out the subnet and addresses of its seed, and link names that come of the ids. */
export function answersOf(seed: number): Answers {
  const known = new Set<string>();
  return {
    "Plugin.Activate": () => ({ Implements: ["NetworkDriver", "IpamDriver"] }),
    "NetworkDriver.GetCapabilities": () => ({ Scope: "local" }),
    "IpamDriver.RequestPool": () => ({ PoolID: `pool-${seed}`, Pool: `10.${seed}.0.0/24`, Data: {} }),
    "IpamDriver.RequestAddress": ({ PoolID }) =>
      PoolID === `pool-${seed}` ? { Address: `10.${seed}.0.2/24` } : { Error: `no pool ${PoolID}` },
    "NetworkDriver.CreateNetwork": ({ NetworkID = "" }) => {
      if (known.has(NetworkID)) return { Err: "it is there" };
      known.add(NetworkID);
      return {};
    },
    "NetworkDriver.Join": ({ NetworkID = "", EndpointID = "" }) =>
      known.has(NetworkID)
        ? {
            InterfaceName: { SrcName: `v${EndpointID.slice(0, 6)}`, DstPrefix: "eth" },
            Gateway: `10.${seed}.0.1`,
          }
        : { Err: "no such network" },
    "NetworkDriver.Leave": () => ({}),
  };
}

/** Calls as a daemon makes them, with what the plugin said before. */
export const dialogue: readonly (readonly [method: string, request: (said: Said) => object | undefined])[] = [
  ["Plugin.Activate", () => undefined],
  ["IpamDriver.RequestPool", () => ({ AddressSpace: "l", Pool: "", V6: false })],
  ["IpamDriver.RequestAddress", ({ PoolID }) => ({ PoolID, Address: "" })],
  [
    "NetworkDriver.CreateNetwork",
    ({ Pool }) => ({ NetworkID: networkId, IPv4Data: [{ Pool, Gateway: "10.1.0.1/24" }] }),
  ],
  [
    "NetworkDriver.Join",
    () => ({ NetworkID: networkId, EndpointID: endpointId, SandboxKey: "/var/run/netns/a" }),
  ],
];

export type Said = Readonly<Record<string, string>>;

export class PluginFolder implements AsyncDisposable {
  readonly path: string;
  readonly heard: Question[] = [];
  readonly #servers: { close(): Promise<void> }[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<PluginFolder> {
    return new PluginFolder(await mkdtemp(join(tmpdir(), `drv-${process.pid}-`)));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** A plugin on a socket; methods that it has no answer for are 404. */
  async serve(name: string, answers: Answers): Promise<string> {
    const socket = this.file(name);
    const server = await listenAsPlugin(socket, async (question) => {
      this.heard.push(question);
      const answer = answers[question.method];
      if (!answer) return { status: 404, body: "no such method" };
      const request = question.body === "" ? {} : JSON.parse(question.body);
      return {
        status: 200,
        headers: { "content-type": "application/x-ours" },
        body: JSON.stringify(answer(request)),
      };
    });
    this.#servers.push(server);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
    await rm(this.path, { recursive: true });
  }
}
