// A driver's module on a machine of its own: a network namespace with one link, and a host on it.

import { randomBytes } from "node:crypto";
import { FakeCluster } from "../../cluster/index.ts";
import type { Host, NetworkDriver, NetworkDriverFactory } from "../../driverapi/index.ts";
import { createDriverHost, createDriverNamespaces, type OwnedNamespaces } from "../../driverhost/index.ts";
import { within } from "../../driverkit/index.ts";
import {
  createFirewall,
  createGuards,
  createTunnelGuard,
  type OwnedFirewall,
  type OwnedTunnelGuard,
} from "../../firewall/index.ts";
import {
  addAddress,
  bindSocket,
  closeFd,
  createNetns,
  createVeth,
  deleteNetns,
  deleteNetnsFolder,
  type Netlink,
  openNetlink,
  setLink,
} from "../../kernel/index.ts";
import { createPorts } from "../../ports/index.ts";
import { unavailable } from "../../util/errors.ts";
import { silentLog } from "../../util/log.ts";
import { Undo } from "../../util/undo.ts";
import { prefix } from "../pools.ts";
import type { Remains, Sandbox, Stage, StageLink } from "../stage.ts";
import { Weather } from "../weather.ts";
import { ClusterSession } from "./cluster-session.ts";
import { kernelPatienceMs, netlinkRemains, pinsIn } from "./kernel-remains.ts";
import { createSandbox } from "./kernel-sandbox.ts";
import { madeBy } from "./made-by.ts";
import { NotedFirewall, NotedForwarder, NotedPorts, NotedRecords } from "./notes.ts";
import { weathered } from "./weathered.ts";

export interface KernelStageOptions {
  /** The machine is in a cluster of its own. */
  readonly inCluster?: boolean;
}

/** Makes the machine, and the driver's first instance on it. Its uplink is `eth0`, 192.0.2.1 and 2001:db8:2::1. */
export async function openKernelStage(
  factory: NetworkDriverFactory,
  options: KernelStageOptions = {},
): Promise<Stage> {
  const folder = `/run/tsdocker-verify-${process.pid}-${randomBytes(4).toString("hex")}`;
  const netns = `${folder}/host`;
  await using undo = new Undo();
  undo.defer("delete folder", () => deleteNetnsFolder(folder));
  await createNetns(netns);
  undo.defer("delete netns", () => deleteNetns(netns));
  const netlink = await openNetlink(netns);
  undo.defer("close netlink", () => netlink.close());
  await createNetns(`${folder}/wire`);
  undo.defer("delete wire", () => deleteNetns(`${folder}/wire`));
  await makeUplink(netlink, `${folder}/wire`);
  const firewall = await createFirewall({ backend: "nftables", netns });
  await firewall.start();
  const cluster = options.inCluster ? await new FakeCluster().addNode("verify") : undefined;
  const stage = new KernelStage({ factory, folder, netns, netlink, firewall, cluster });
  stage.begin();
  stage.undo = undo.move();
  return stage;
}

/** A veth pair, whose other end is on a wire where nobody is. */
async function makeUplink(netlink: Netlink, wire: string): Promise<void> {
  const peer = { name: "eth0", netns: wire };
  await netlink.send(setLink("lo", { up: true }), createVeth({ name: "eth0", up: true, peer }));
  await using far = await openNetlink(wire);
  await far.send(setLink("eth0", { up: true }));
  const link = (await netlink.link("eth0"))?.index ?? 0;
  await netlink.send(
    addAddress({ link, prefix: prefix("192.0.2.1/24") }),
    addAddress({ link, prefix: prefix("2001:db8:2::1/64"), noDad: true }),
  );
}

interface Parts {
  readonly factory: NetworkDriverFactory;
  readonly folder: string;
  readonly netns: string;
  readonly netlink: Netlink;
  readonly firewall: OwnedFirewall;
  readonly cluster: Host["cluster"];
}

class KernelStage implements Stage {
  readonly patienceMs = kernelPatienceMs;
  readonly whyNoRestart = undefined;
  readonly whyNoKinds = undefined;
  weather = new Weather();
  undo: Undo | undefined;
  readonly #parts: Parts;
  readonly #records = new NotedRecords();
  readonly #forwarder = new NotedForwarder();
  readonly #noted: NotedFirewall;
  #firewall: OwnedFirewall;
  #ports: NotedPorts;
  #namespaces: OwnedNamespaces | undefined;
  #tunnels: OwnedTunnelGuard | undefined;
  #session: ClusterSession | undefined;
  #driver: NetworkDriver | undefined;
  #sandboxes = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#firewall = parts.firewall;
    this.#noted = new NotedFirewall(parts.firewall);
    this.#ports = new NotedPorts(createPorts({ netns: parts.netns }));
  }

  get cluster(): Host["cluster"] {
    return this.#session?.access;
  }

  get driver(): NetworkDriver {
    if (!this.#driver) throw new Error("the driver was not made");
    return this.#driver;
  }

  /** A new instance on the machine as it is. */
  begin(): void {
    const { factory, folder, netns, netlink, cluster } = this.#parts;
    this.weather = new Weather();
    this.#namespaces = createDriverNamespaces({
      folder: `${folder}/netns`,
      driver: "own",
      guards: createGuards(),
      log: silentLog,
    });
    this.#session = cluster && new ClusterSession(cluster);
    this.#tunnels = createTunnelGuard({ netns, log: silentLog });
    const host = createDriverHost({
      netns,
      tunnels: this.#tunnels,
      netlink,
      firewall: this.#firewall,
      forwarder: this.#forwarder,
      records: this.#records,
      namespaces: this.#namespaces,
      ports: this.#ports,
    });
    const lent = weathered({ ...host, firewall: this.#noted, cluster: this.cluster }, this.weather);
    this.#driver = madeBy(() => factory(lent));
  }

  async restart(replay: (driver: NetworkDriver) => Promise<void>): Promise<void> {
    this.weather.end();
    this.#session?.end();
    await this.#namespaces?.close();
    this.#ports.close();
    this.#forwarder.owners.clear();
    await this.#tunnels?.close();
    await this.#firewall.close();
    this.#firewall = await createFirewall({ backend: "nftables", netns: this.#parts.netns });
    this.#noted.replace(this.#firewall);
    this.#ports = new NotedPorts(createPorts({ netns: this.#parts.netns }));
    this.begin();
    await replay(this.driver);
    await this.#firewall.start();
  }

  sandbox(): Promise<Sandbox> {
    const path = `${this.#parts.folder}/sandbox${++this.#sandboxes}`;
    return createSandbox(path, this.#parts);
  }

  async link(name: string): Promise<StageLink | undefined> {
    return await this.#parts.netlink.link(name);
  }

  async isThere(name: string, index: number): Promise<boolean> {
    const { netlink, folder } = this.#parts;
    if ((await netlink.link(name))?.index === index) return true;
    for (const pin of await pinsIn(`${folder}/netns`)) {
      await using inside = await openNetlink(`${folder}/netns/${pin}`);
      if ((await inside.link(name))?.index === index) return true;
    }
    return false;
  }

  async remains(): Promise<Remains> {
    const { netlink, folder } = this.#parts;
    return {
      ...(await netlinkRemains(netlink)),
      rules: [...this.#noted.owners].map(([owner, count]) => `${count} of ${owner}`),
      namespaces: await pinsIn(`${folder}/netns`),
      records: [...this.#records.entries()].map(([key]) => key),
      ports: this.#ports.held(),
      forwards: [...this.#forwarder.owners.keys()],
    };
  }

  async occupyPort(port: number): Promise<AsyncDisposable> {
    const address = prefix("0.0.0.0/32").address;
    const fd = await bindSocket({ netns: this.#parts.netns, protocol: "tcp", address, port, listen: 1 });
    return { [Symbol.asyncDispose]: async () => closeFd(fd) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await settled(this.driver);
    this.weather.end();
    const namespaces = this.#namespaces;
    for (const name of (await namespaces?.list()) ?? []) await namespaces?.remove(name);
    await namespaces?.close();
    this.#ports.close();
    await this.#tunnels?.close();
    await this.#firewall.stop();
    const { folder } = this.#parts;
    for (const pin of await pinsIn(folder))
      if (pin.startsWith("sandbox")) await deleteNetns(`${folder}/${pin}`);
    if ((await pinsIn(folder)).includes("netns")) await deleteNetnsFolder(`${folder}/netns`);
    await this.undo?.[Symbol.asyncDispose]();
  }
}

/** What it still does belongs to a machine that goes now; one that never ends, or fails, was told of by its checks. */
async function settled(driver: NetworkDriver): Promise<void> {
  const settling = Promise.resolve(driver.settle?.()).then(() => undefined);
  await within(2_000, settling, () => unavailable("settle does not end")).catch(() => undefined);
}
