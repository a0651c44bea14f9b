// A driver behind a socket, called as a daemon calls it. The plugin acts in a namespace of its own choice, which the kit
// is told; its host's calls and its memory are out of reach.

import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import { createRemoteIpam, readIpamCapabilities } from "../../../drivers/ipam-remote/index.ts";
import { createRemoteDriver, readCapabilities } from "../../../drivers/remote/index.ts";
import type { IpamDriver, NetworkDriver } from "../../driverapi/index.ts";
import type { PluginCaller } from "../../driverkit/protocol/index.ts";
import {
  bindSocket,
  closeFd,
  deleteNetns,
  deleteNetnsFolder,
  type Netlink,
  openNetlink,
} from "../../kernel/index.ts";
import { PluginClient } from "../../plugins/client.ts";
import { prefix } from "../pools.ts";
import type { Remains, Sandbox, Stage, StageLink } from "../stage.ts";
import { kernelPatienceMs, netlinkRemains, pinsIn } from "./kernel-remains.ts";
import { createSandbox } from "./kernel-sandbox.ts";

export interface PluginPlace {
  /** The socket. */
  readonly path: string;
  /** Path of the namespace that the plugin acts in; absent: that of this process. */
  readonly netns?: string;
}

/** Who says nothing when asked who it is will not say anything else. */
const greetingMs = 15_000;
/** The kit's own patience ends before: it tells which call it was. */
const callMs = 120_000;

/** Why errors of plugins have no kinds. */
export const whyNoKinds = "the plugin protocol carries the text of an error and not its kind";

export interface OpenPlugin {
  readonly caller: PluginCaller;
  /** What it says that it implements. */
  readonly kinds: ReadonlySet<string>;
  close(): void;
}

/** Activates it. @throws unavailable when nobody answers on the socket */
export async function openPlugin({ path }: PluginPlace): Promise<OpenPlugin> {
  const name = basename(path, ".sock");
  const client = await PluginClient.open(name, { kind: "unix", path });
  const caller: PluginCaller = {
    name,
    call: (method, request) =>
      client.call(method, request, { timeoutMs: isGreeting(method) ? greetingMs : callMs }),
  };
  const { Implements } = await caller.call("Plugin.Activate");
  const kinds = Array.isArray(Implements) ? Implements.map(String) : [];
  return { caller, kinds: new Set(kinds), close: () => client.close() };
}

function isGreeting(method: string): boolean {
  return method === "Plugin.Activate" || method.endsWith(".GetCapabilities");
}

export async function openPluginStage(place: PluginPlace): Promise<Stage> {
  const plugin = await openPlugin(place);
  const capabilities = await readCapabilities(plugin.caller);
  const netlink = await openNetlink(place.netns);
  const create = () => createRemoteDriver(plugin.caller, capabilities);
  return new PluginStage({ place, plugin, netlink, create });
}

/** An IPAM plugin as the daemon sees it, and how to let go of it. */
export async function openIpamPlugin(
  place: PluginPlace,
): Promise<{ readonly driver: IpamDriver; readonly close: () => void }> {
  const plugin = await openPlugin(place);
  const capabilities = await readIpamCapabilities(plugin.caller);
  // one that is told its leases again after a start is spoken to as in the daemon's first life
  const driver = createRemoteIpam(plugin.caller, { ...capabilities, requiresRequestReplay: false });
  return { driver, close: plugin.close };
}

interface Parts {
  readonly place: PluginPlace;
  readonly plugin: OpenPlugin;
  readonly netlink: Netlink;
  readonly create: () => NetworkDriver;
}

class PluginStage implements Stage {
  readonly weather = undefined;
  readonly patienceMs = kernelPatienceMs;
  readonly whyNoRestart = undefined;
  readonly whyNoKinds = whyNoKinds;
  driver: NetworkDriver;
  readonly #parts: Parts;
  readonly #folder = `/run/tsdocker-verify-${process.pid}-${randomBytes(4).toString("hex")}`;
  #sandboxes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.driver = parts.create();
  }

  /** The plugin goes on; the daemon that calls it is another one. */
  async restart(replay: (driver: NetworkDriver) => Promise<void>): Promise<void> {
    this.driver = this.#parts.create();
    await replay(this.driver);
  }

  sandbox(): Promise<Sandbox> {
    const { netlink, place } = this.#parts;
    const netns = place.netns ?? "/proc/self/ns/net";
    return createSandbox(`${this.#folder}/sandbox${++this.#sandboxes}`, { netlink, netns });
  }

  async link(name: string): Promise<StageLink | undefined> {
    return await this.#parts.netlink.link(name);
  }

  async isThere(name: string, index: number): Promise<boolean> {
    return (await this.link(name))?.index === index;
  }

  async remains(): Promise<Remains> {
    const nothing = { rules: [], namespaces: [], records: [], ports: [], forwards: [] };
    return { ...(await netlinkRemains(this.#parts.netlink)), ...nothing };
  }

  async occupyPort(port: number): Promise<AsyncDisposable> {
    const { netns } = this.#parts.place;
    const address = prefix("0.0.0.0/32").address;
    const where = netns === undefined ? {} : { netns };
    const fd = await bindSocket({ ...where, protocol: "tcp", address, port, listen: 1 });
    return { [Symbol.asyncDispose]: async () => closeFd(fd) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pins = await pinsIn(this.#folder);
    for (const pin of pins) await deleteNetns(`${this.#folder}/${pin}`);
    if (this.#sandboxes > 0) await deleteNetnsFolder(this.#folder);
    await this.#parts.netlink.close();
    this.#parts.plugin.close();
  }
}
