// A driver on a lab host with a neighbour, and sandboxes.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attachRequests, defaultRouteRequest } from "../../../src/cnm/attach.ts";
import type {
  EndpointInterface,
  JoinResponse,
  NetworkDriver,
  NetworkDriverFactory,
} from "../../../src/driverapi/index.ts";
import { createFirewall, type OwnedFirewall } from "../../../src/firewall/index.ts";
import {
  createNetns,
  deleteNetns,
  deleteNetnsFolder,
  type Netlink,
  openNetlink,
  setLink,
} from "../../../src/kernel/index.ts";
import { openStore, type Store } from "../../../src/store/index.ts";
import { newId } from "../../../src/util/ids.ts";
import { labDriverHost, ProxyNotes } from "../../lab/cnm/world.ts";
import { Lab, LabHost } from "../../lab/lab.ts";
import { everyStep } from "../../lab/steps.ts";

/** A driver on a machine of its own. */
export class Bench implements AsyncDisposable {
  readonly machine: LabHost;
  readonly peer: LabHost;
  readonly proxy = new ProxyNotes();
  readonly #lab: Lab;
  readonly #factory: NetworkDriverFactory;
  readonly #store: Store;
  readonly #folder: string;
  readonly #sandboxes: BenchSandbox[] = [];
  readonly #firewall: OwnedFirewall;
  #driver: NetworkDriver | undefined;

  private constructor(
    factory: NetworkDriverFactory,
    parts: {
      lab: Lab;
      machine: LabHost;
      peer: LabHost;
      store: Store;
      folder: string;
      firewall: OwnedFirewall;
    },
  ) {
    this.#factory = factory;
    this.#lab = parts.lab;
    this.machine = parts.machine;
    this.peer = parts.peer;
    this.#store = parts.store;
    this.#folder = parts.folder;
    this.#firewall = parts.firewall;
  }

  static async create(factory: NetworkDriverFactory): Promise<Bench> {
    const lab = await Lab.create();
    const lan = lab.segment("192.0.2.0/24", "2001:db8:2::/64");
    const machine = await lan.host("machine");
    const peer = await lan.host("peer");
    const folder = await mkdtemp(join(tmpdir(), "tsdocker-bench-"));
    const firewall = await startFirewall(machine);
    const bench = new Bench(factory, {
      lab,
      machine,
      peer,
      folder,
      store: openStore(join(folder, "store")),
      firewall,
    });
    await makeTables(firewall);
    await machine.remember();
    await bench.#start();
    return bench;
  }

  get driver(): NetworkDriver {
    if (!this.#driver) throw new Error("the driver was not started");
    return this.#driver;
  }

  async #start(): Promise<void> {
    const parts = { firewall: this.#firewall, proxy: this.proxy, store: this.#store };
    const host = await labDriverHost(this.machine, parts);
    this.#driver = this.#factory(host);
  }

  async sandbox(name: string): Promise<BenchSandbox> {
    const path = `${this.machine.netns}-netns/${name}`;
    await createNetns(path);
    const netlink = await openNetlink(path);
    await netlink.send(setLink("lo", { up: true }));
    const sandbox = new BenchSandbox(name, path, netlink);
    this.#sandboxes.push(sandbox);
    return sandbox;
  }

  /** Everything in the machine's netns is as it was when the bench was made. */
  async expectClean(): Promise<void> {
    await this.driver.settle?.();
    await this.machine.expectUnchanged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await everyStep(
      ...this.#sandboxes.map((sandbox) => () => sandbox.remove()),
      async () => this.#sandboxes.length > 0 && (await deleteNetnsFolder(`${this.machine.netns}-netns`)),
      async () => await this.#driver?.settle?.(),
      () => this.#firewall.stop(),
      async () => await this.#store.close(),
      () => rm(this.#folder, { recursive: true, force: true }),
      () => this.#lab[Symbol.asyncDispose](),
    );
  }
}

async function startFirewall(machine: LabHost): Promise<OwnedFirewall> {
  const firewall = await createFirewall({ backend: "nftables", netns: machine.netns });
  await firewall.start();
  return firewall;
}

/** The firewall's table of bridges comes with the first network and stays: before anything is compared. */
async function makeTables(firewall: OwnedFirewall): Promise<void> {
  const keep = { 4: "keep", 6: "keep" } as const;
  const gatewayMode = { 4: "nat", 6: "nat" } as const;
  const rule = { subnets: [], icc: false, internal: false, source: keep, gatewayMode, trustedLinks: [] };
  await firewall.set("first", [{ kind: "bridge", link: "first", hostAccess: "all", portGroup: 1, ...rule }]);
  await firewall.set("first", []);
}

/** A netns that endpoints join; what the controller does with a driver's answer is done here in small. */
export class BenchSandbox extends LabHost {
  readonly endpointId = newId();
  #removed = false;

  /** Puts the answer of a join into effect. */
  async attach(hostNetlink: Netlink, response: JoinResponse, own: EndpointInterface): Promise<void> {
    if (!response.link) return;
    const { srcName, dstName, dstPrefix, indexInSandbox } = response.link;
    if (indexInSandbox === undefined) await hostNetlink.send(setLink(srcName, { netns: this.netns }));
    const index = indexInSandbox ?? (await this.netlink.link(srcName))?.index;
    if (index === undefined) throw new Error(`no link ${srcName} in ${this.name}`);
    const mac = indexInSandbox === undefined && own.macAddress ? { mac: own.macAddress } : {};
    await this.netlink.send(
      ...attachRequests(
        { index, name: srcName, finalName: dstName ?? `${dstPrefix}0`, ...mac },
        { interface: own, linkLocal: [], routes: response.staticRoutes },
      ),
    );
    if (response.gateway)
      await this.netlink.send(defaultRouteRequest(4, { link: index, gateway: response.gateway }));
    if (response.gatewayIpv6)
      await this.netlink.send(defaultRouteRequest(6, { link: index, gateway: response.gatewayIpv6 }));
  }

  async remove(): Promise<void> {
    if (this.#removed) return;
    this.#removed = true;
    await this.close();
    await deleteNetns(this.netns);
  }
}
