// Three daemons on a LAN that are a cluster, with a network over all of them.

import {
  addAddress,
  createBridge,
  createNetns,
  createVeth,
  deleteNetns,
  deleteNetnsFolder,
  openNetlink,
  setLink,
} from "../../src/kernel/index.ts";
import { parsePrefix } from "../../src/netip/index.ts";
import { textOf } from "../client.ts";
import { type Daemon, startDaemon } from "../daemons.ts";
import { until } from "../place.ts";

export const overlayName = "blue";
const overlaySubnet = "10.99.0.0/24";
const count = 3;

export interface OverlayHosts {
  readonly daemons: readonly Daemon[];
  readonly lan: Lan;
}

/** A switch in a netns of its own. */
export class Lan implements AsyncDisposable {
  readonly #folder: string;
  #ports = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<Lan> {
    const lan = new Lan(`/run/tsdocker-bench-${process.pid}-overlay`);
    await createNetns(lan.netns);
    await using netlink = await openNetlink(lan.netns);
    await netlink.send(createBridge({ name: "lan", up: true, multicastSnooping: false }));
    return lan;
  }

  get netns(): string {
    return `${this.#folder}/lan`;
  }

  /** Gives a netns the link `lan` with the next address, which it answers: 192.0.2.1, .2, … */
  async plugIn(netns: string): Promise<string> {
    const number = ++this.#ports;
    const address = `192.0.2.${number}`;
    await using here = await openNetlink(this.netns);
    await using there = await openNetlink(netns);
    const bridge = await here.link("lan");
    await here.send(
      createVeth({
        name: `port${number}`,
        up: true,
        ...(bridge && { master: bridge.index }),
        peer: { name: "lan", netns },
      }),
    );
    const link = await there.link("lan");
    const prefix = parsePrefix(`${address}/24`);
    if (!link || !prefix) throw new Error(`plug ${netns} in: there is no link`);
    await there.send(addAddress({ link: link.index, prefix }), setLink("lan", { up: true }));
    return address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await deleteNetns(this.netns);
    await deleteNetnsFolder(this.#folder);
  }
}

export const netnsOf = (pid: number) => `/proc/${pid}/ns/net`;

export async function withOverlayHosts(work: (hosts: OverlayHosts) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const lan = stack.use(await Lan.create());
  const daemons: Daemon[] = [];
  for (let at = 0; at < count; at++) {
    const daemon = stack.use(await startDaemon("tsdockerd"));
    daemons.push(daemon);
    await lan.plugIn(netnsOf(daemon.child.pid));
  }
  const [first, ...others] = daemons;
  if (!first) return;
  const init = await first.client.post("/cluster/init", { AdvertiseAddr: "192.0.2.1" });
  for (const [at, { client }] of others.entries())
    await client.post("/cluster/join", {
      JoinToken: textOf(init, "Token"),
      RemoteAddrs: ["192.0.2.1"],
      AdvertiseAddr: `192.0.2.${at + 2}`,
    });
  await until("all are members", async () => {
    // a store that gets another member may be silent for a moment
    const answer = await first.client.get("/cluster?health=1").catch(() => undefined);
    return (answer?.body as { Health?: { Healthy?: number } } | undefined)?.Health?.Healthy === count;
  });
  const IPAM = { Config: [{ Subnet: overlaySubnet }] };
  await first.client.post("/networks/create", { Name: overlayName, Driver: "overlay", IPAM });
  for (const { client } of others)
    await until("the network is on every host", () =>
      client.get(`/networks/${overlayName}`).then(
        () => true,
        () => false,
      ),
    );
  await work({ daemons, lan });
}
