// A container's network stack as a real namespace; what a controller does with a driver's answer is done here in small.

import { setTimeout as pause } from "node:timers/promises";
import { attachRequests, defaultRouteRequest } from "../../cnm/attach.ts";
import type { EndpointInterface, JoinResponse } from "../../driverapi/index.ts";
import {
  createNetns,
  deleteLink,
  deleteNetns,
  leastEchoSize,
  type Netlink,
  openEcho,
  openNetlink,
  setLink,
  unless,
  writeSysctl,
} from "../../kernel/index.ts";
import { type Address, sameAddress } from "../../netip/index.ts";
import type { Sandbox, StageLink } from "../stage.ts";

/** The machine as sandboxes see it. */
export interface Machine {
  readonly netlink: Netlink;
  /** Path of its netns. */
  readonly netns: string;
}

export async function createSandbox(path: string, machine: Machine): Promise<Sandbox> {
  await createNetns(path);
  const netlink = await openNetlink(path);
  await netlink.send(setLink("lo", { up: true }));
  // who may ping without being privileged in the namespace: any group
  await writeSysctl("net.ipv4.ping_group_range", "0 2147483647", path);
  return new KernelSandbox(path, netlink, machine);
}

class KernelSandbox implements Sandbox {
  readonly key: string;
  readonly #netlink: Netlink;
  readonly #machine: Machine;
  #isGone = false;

  constructor(key: string, netlink: Netlink, machine: Machine) {
    this.key = key;
    this.#netlink = netlink;
    this.#machine = machine;
  }

  async links(): Promise<readonly StageLink[]> {
    return (await this.#netlink.links()).filter(({ loopback }) => !loopback);
  }

  async attach(response: JoinResponse, own: EndpointInterface): Promise<void> {
    if (!response.link) return;
    const { srcName, dstName, dstPrefix, indexInSandbox } = response.link;
    if (response.link.isComplete) return await this.#running(srcName);
    if (indexInSandbox === undefined) await this.#machine.netlink.send(setLink(srcName, { netns: this.key }));
    const index = indexInSandbox ?? (await this.#netlink.link(srcName))?.index ?? 0;
    const name = (await this.#netlink.link(index))?.name ?? srcName;
    const mac = indexInSandbox === undefined && own.macAddress ? { mac: own.macAddress } : {};
    const finalName = dstName ?? (await this.#freeName(dstPrefix, index));
    await this.#netlink.send(
      ...attachRequests(
        { index, name, finalName, ...mac },
        { interface: own, linkLocal: [], routes: response.staticRoutes },
      ),
    );
    for (const gateway of [response.gateway, response.gatewayIpv6])
      if (gateway) await this.#netlink.send(defaultRouteRequest(gateway.family, { link: index, gateway }));
    await this.#running(index);
  }

  async detach({ link }: JoinResponse): Promise<void> {
    // what is complete its driver takes away itself
    if (!link || link.isComplete || this.#isGone) return;
    if (link.deletedOnLeave && link.indexInSandbox !== undefined)
      return void (await unless(["ENODEV"], this.#netlink.send(deleteLink(link.indexInSandbox))));
    if (link.indexInSandbox !== undefined) return;
    const inside = (await this.links()).find(({ name }) => name.startsWith(link.dstPrefix));
    if (!inside) return;
    await this.#netlink.send(
      setLink(inside.index, { up: false }),
      setLink(inside.index, { name: link.srcName }),
      setLink(inside.index, { netns: this.#machine.netns }),
    );
  }

  async reaches(
    address: Address,
    { withinMs = 10_000, size = leastEchoSize[address.family] + 56 }: Parameters<Sandbox["reaches"]>[1] = {},
  ): Promise<boolean> {
    let isHeard = false;
    const echo = await openEcho({ netns: this.key, family: address.family }, ({ from }) => {
      isHeard ||= sameAddress(from, address);
    });
    try {
      const deadline = Date.now() + withinMs;
      for (let sequence = 1; !isHeard && Date.now() < deadline; sequence++) {
        echo.send({ to: address, sequence, size });
        await pause(isHeard ? 0 : Math.min(5 * sequence, 50));
      }
      return isHeard;
    } finally {
      echo.close();
    }
  }

  async remove(): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    await this.#netlink.close();
    await deleteNetns(this.key);
  }

  /** The kernel turns a link on a little after it is told: what is sent until then is lost, and tried again a second later. */
  async #running(link: string | number): Promise<void> {
    for (let tries = 0; tries < 50; tries++) {
      if ((await this.#netlink.link(link))?.running) return;
      await pause(2);
    }
  }

  async #freeName(stem: string, own: number): Promise<string> {
    const taken = (await this.links()).filter(({ index }) => index !== own).map(({ name }) => name);
    const number = Array.from({ length: taken.length + 1 }, (_, at) => at).find(
      (at) => !taken.includes(`${stem}${at}`),
    );
    return `${stem}${number ?? 0}`;
  }
}
