// Parent links: found in the host's netns, or made there (a VLAN sub-interface, a dummy) and removed with their last
// user. What was made wears a mark, by which the next daemon knows it again.

import {
  createDummy,
  createVlan,
  deleteLink,
  hasLinkKind,
  type Link,
  type Netlink,
  type Request,
  setLink,
  unless,
} from "../kernel/index.ts";
import { isLinkName } from "../netip/index.ts";
import { conflict, invalid, notImplemented, wrapError } from "../util/errors.ts";
import { KeyedLock } from "../util/keyed-lock.ts";
import type { Log } from "../util/log.ts";
import { Undo } from "../util/undo.ts";
import type { Parent, ParentRequest, Parents } from "./types.ts";

/** Alias of the links that were made here; unlike other marks it names nobody, since several may hold the link. */
const mark = "tsdocker-parent";

export interface ParentsOptions {
  /** rtnetlink in the host's netns. */
  readonly netlink: Netlink;
  readonly sysctl: { writeAll(values: Readonly<Record<string, string>>): Promise<void> };
  readonly hostHasIpv6: boolean;
  readonly log: Log;
}

/** One for all drivers of a daemon. */
export function createParents(options: ParentsOptions): Parents {
  return new HeldParents(options);
}

class HeldParents implements Parents {
  readonly #options: ParentsOptions;
  readonly #names = new Map<string, string>();
  /** A link that is being removed must be gone before somebody else looks for it. */
  readonly #turns = new KeyedLock();

  constructor(options: ParentsOptions) {
    this.#options = options;
  }

  async hold(request: ParentRequest): Promise<Parent> {
    const { owner, name } = request;
    return await this.#turns.run(name, async () => {
      const { netlink } = this.#options;
      const found = await netlink.link(name);
      if (found?.alias === mark && !found.up) await this.#putUp(found);
      const link = found ?? (await this.#make(request));
      this.#names.set(owner, name);
      return { name, index: link.index, mtu: link.mtu, ...(link.mac && { mac: link.mac }) };
    });
  }

  async release(owner: string): Promise<void> {
    const name = this.#names.get(owner);
    if (name === undefined) return;
    this.#names.delete(owner);
    await this.#turns.run(name, () => this.#removeUnheld(name));
  }

  async sweep(): Promise<void> {
    const links = await this.#options.netlink.links();
    for (const { name, alias } of links) {
      if (alias !== mark) continue;
      await this.#turns.run(name, () => this.#removeUnheld(name));
    }
  }

  async #removeUnheld(name: string): Promise<void> {
    if ([...this.#names.values()].includes(name)) return;
    const { netlink, log } = this.#options;
    const link = await netlink.link(name);
    if (link?.alias !== mark) return;
    log.debug({ link: name }, "removing a parent link that nobody uses any more");
    await unless(["ENODEV"], netlink.send(deleteLink(link.index)));
  }

  async #make({ name, driver, isDummy }: ParentRequest): Promise<Link> {
    if (isDummy) {
      await this.#need("dummy", `${driver} networks without a parent need CONFIG_DUMMY`);
      return await this.#makeLink(name, createDummy({ name }));
    }
    const { lower, id } = await this.#findLower(name);
    await this.#need("vlan", `VLAN sub-interfaces (-o parent=${name}) need CONFIG_VLAN_8021Q`);
    return await this.#makeLink(name, createVlan({ name, parent: lower.index, id }));
  }

  /** The link below may be down: the kernel puts this one up with it (vlan_device_event). */
  async #putUp({ index }: Link): Promise<void> {
    await unless(["ENETDOWN", "ENODEV"], this.#options.netlink.send(setLink(index, { up: true })));
  }

  async #need(kind: string, what: string): Promise<void> {
    if (!(await hasLinkKind(this.#options.netlink, kind)))
      throw notImplemented(`${what}: this kernel has none`);
  }

  /** The link below a sub-interface and its tag. The messages are Docker's. @throws invalid */
  async #findLower(asked: string): Promise<{ lower: Link; id: number }> {
    if (!isLinkName(asked))
      throw invalid(
        `invalid value for parent: ${JSON.stringify(asked)} is not a name for a network interface`,
      );
    const dot = asked.lastIndexOf(".");
    if (dot < 0)
      throw invalid(
        `-o parent interface was not found on the host: ${asked} (invalid subinterface vlan name ${asked}, example formatting is eth0.10)`,
      );
    const text = asked.slice(dot + 1);
    if (!/^[0-9]{1,9}$/.test(text))
      throw invalid(`unable to parse a valid vlan id from: ${text} (ex. eth0.10 for vlan 10)`);
    const id = Number(text);
    if (id < 1 || id > 4094) throw invalid(`vlan id must be between 1-4094, received: ${id}`);
    const name = asked.slice(0, dot);
    const lower = await this.#options.netlink.link(name);
    if (!lower) throw invalid(`-o parent interface was not found on the host: ${name}`);
    if (lower.loopback) throw invalid(`loopback interface is not a valid parent link: ${asked}`);
    return { lower, id };
  }

  /** Up, and without an address of the host's: nobody but its networks uses it. */
  async #makeLink(name: string, request: Request): Promise<Link> {
    const { netlink, log } = this.#options;
    await using undo = new Undo(log);
    try {
      await netlink.send(request);
      undo.defer("delete parent", () => unless(["ENODEV"], netlink.send(deleteLink(name))));
      await netlink.send(setLink(name, { alias: mark }));
      const link = await netlink.link(name);
      if (!link) throw conflict(`the link ${name} was removed by somebody else`);
      await this.#keepHostOff(name);
      await this.#putUp(link);
      undo.forget();
      return link;
    } catch (error) {
      throw wrapError(error, `create parent ${name}`);
    }
  }

  /** No link-local address, no router advertisement: else the host would be on the VLAN too. */
  async #keepHostOff(name: string): Promise<void> {
    if (!this.#options.hostHasIpv6) return;
    await this.#options.sysctl.writeAll({
      [`net/ipv6/conf/${name}/accept_ra`]: "0",
      // IN6_ADDR_GEN_MODE_NONE (linux/if_link.h)
      [`net/ipv6/conf/${name}/addr_gen_mode`]: "1",
    });
  }
}
