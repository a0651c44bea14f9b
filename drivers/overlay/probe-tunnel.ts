// The tunnel that paths are tried with: a netns of its own with a VXLAN link like those of networks, same port, source
// address and guard, on a VNI that no network can have. A host's address in it is the one that it has in the cluster, so
// each knows what the others have; the kernel answers echo requests there, whether a daemon runs or not.

import type { ClusterNode, DriverNetns, Host, Link } from "../../src/driverapi/index.ts";
import { derivedMac, formatAddress, type Mac, sameAddress } from "../../src/netip/index.ts";
import { conflict, hasCode } from "../../src/util/errors.ts";
import { Undo } from "../../src/util/undo.ts";
import { deleteTunnels } from "./fabric.ts";
import { type FabricLinks, readRows, writeRows } from "./kernel-rows.ts";
import { type Row, rowChanges } from "./rows.ts";
import { probeVni } from "./vnis.ts";

/** The netns, among the driver's; networks' are digits of their ids. */
export const probeNetns = "probe";
const linkName = "probe0";
/** As large as VXLAN links can be: what is too large the underlay shall say. */
const linkMtu = 65_000;

interface Waiting {
  readonly to: string;
  readonly size: number;
  readonly sentAt: number;
  readonly done: (tookMs: number | undefined) => void;
}

/** Owns the netns and a socket in it. */
export class ProbeTunnel {
  readonly #host: Host;
  readonly #netns: DriverNetns;
  readonly #waiting = new Map<number, Waiting>();
  readonly #self: ClusterNode;
  #echo: { send(request: EchoQuestion): void; close(): void } | undefined;
  #links: FabricLinks = { bridge: 0, tunnels: new Map() };
  #sequence = 0;
  #hasEnded = false;

  private constructor(host: Host, netns: DriverNetns, self: ClusterNode) {
    this.#host = host;
    this.#netns = netns;
    this.#self = self;
  }

  /** Makes it, or takes over what an earlier process left. @throws conflict when the port or the VNI is somebody else's */
  static async open(host: Host, self: ClusterNode): Promise<ProbeTunnel> {
    await using undo = new Undo(host.log);
    const netns = await host.netns.open(probeNetns);
    undo.defer("remove netns", () => host.netns.remove(probeNetns));
    const tunnel = new ProbeTunnel(host, netns, self);
    await netns.sysctl.writeAll(netnsSettings(self.address.family));
    await tunnel.#make();
    await tunnel.#listen();
    undo.forget();
    return tunnel;
  }

  /** Brings the kernel to what leads to these hosts, and the link back if somebody took it. */
  async setPeers(nodes: readonly ClusterNode[]): Promise<void> {
    await this.#make();
    const link = this.#links.tunnels.get(probeVni) ?? 0;
    // of two with one address one is heard
    const ends = new Map(nodes.map((node) => [formatAddress(node.address), node]));
    const wanted = [...ends.values()].flatMap((node) => this.#rowsOf(node, link));
    const changes = rowChanges(wanted, await readRows(this.#netns, this.#links));
    await writeRows(this.#host, this.#netns, changes);
  }

  /** A packet of `size` bytes to a host and back: milliseconds, or undefined when it did not come back in time. */
  ask({ address: to }: ClusterNode, size: number, patienceMs: number): Promise<number | undefined> {
    if (this.#hasEnded) return Promise.resolve(undefined);
    const sequence = this.#nextSequence();
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(undefined), patienceMs).unref();
      const done = (tookMs: number | undefined) => {
        clearTimeout(timer);
        this.#waiting.delete(sequence);
        resolve(tookMs);
      };
      this.#waiting.set(sequence, { to: formatAddress(to), size, sentAt: performance.now(), done });
      this.#echo?.send({ to, sequence, size });
    });
  }

  /** Lets go; others' packets are answered still. */
  async close(): Promise<void> {
    this.#end();
    await this.#netns.close();
  }

  /** Takes it away. */
  async remove(): Promise<void> {
    this.#end();
    await deleteTunnels(this.#host, this.#netns);
    await this.#host.netns.remove(probeNetns);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#echo?.close();
    for (const { done } of [...this.#waiting.values()]) done(undefined);
  }

  async #listen(): Promise<void> {
    const { family } = this.#self.address;
    this.#echo = await this.#host.link.openEcho({ netns: this.#netns.path, family }, (reply) => {
      const waiting = this.#waiting.get(reply.sequence);
      if (waiting?.to === formatAddress(reply.from) && waiting.size === reply.size)
        waiting.done(performance.now() - waiting.sentAt);
    });
  }

  #nextSequence(): number {
    for (let tries = 0; tries <= 0xffff; tries++) {
      this.#sequence = (this.#sequence + 1) & 0xffff;
      if (!this.#waiting.has(this.#sequence)) return this.#sequence;
    }
    throw new RangeError("65,536 probes are on their way");
  }

  #rowsOf(node: ClusterNode, link: number): Row[] {
    const mac = probeMac(node);
    const { address: to, dataPort: port } = node;
    return [
      { kind: "tunnel", link, mac, to, ...(port !== this.#self.dataPort && { port }) },
      { kind: "neighbour", link, address: to, mac },
    ];
  }

  /** The link with its address and route, where they are not as they should be. */
  async #make(): Promise<void> {
    const { netlink } = this.#netns;
    const { link: kernel } = this.#host;
    const before = await netlink.link(linkName);
    if (before && !isRight(before, this.#self)) await netlink.send(kernel.deleteLink(before.index));
    if (!before || !isRight(before, this.#self)) await this.#makeLink();
    const link = await netlink.link(linkName);
    if (!link) throw conflict("try paths to other hosts: somebody removed the link for it");
    this.#links = { bridge: 0, tunnels: new Map([[probeVni, link.index]]) };
    if (link.up && before?.index === link.index && (await this.#isAddressed(link))) return;
    const { address } = this.#self;
    const length = address.family === 4 ? 32 : 128;
    await netlink.send(
      kernel.setLink(link.index, { up: true, mtu: linkMtu }),
      kernel.addAddress(
        { link: link.index, prefix: { address, length }, ...(address.family === 6 && { noDad: true }) },
        { replace: true },
      ),
    );
    // every host is a neighbour
    await netlink.send(kernel.addRoute({ family: address.family, link: link.index }, { replace: true }));
  }

  async #isAddressed({ index }: Link): Promise<boolean> {
    const [addresses, routes] = await Promise.all([
      this.#netns.netlink.addresses({ link: index }),
      this.#netns.netlink.routes({ link: index }),
    ]);
    return (
      addresses.some(({ prefix }) => sameAddress(prefix.address, this.#self.address)) &&
      routes.some(({ destination }) => !destination)
    );
  }

  async #makeLink(): Promise<void> {
    const { address: local, dataPort: port } = this.#self;
    const request = this.#host.link.createVxlan({
      name: linkName,
      vni: probeVni,
      local,
      port,
      mac: probeMac(this.#self),
      mtu: linkMtu,
      // what the underlay would take apart is too large
      ...(local.family === 4 && { dontFragment: true }),
      netns: this.#netns.path,
    });
    for (let waitedMs = 0; ; waitedMs += pauseMs) {
      try {
        return await this.#host.netlink.send(request);
      } catch (error) {
        if (hasCode(error, "EADDRINUSE"))
          throw conflict(`try paths to other hosts: UDP port ${port} is in use on this host`, error);
        if (!hasCode(error, "EEXIST")) throw error;
        if (waitedMs >= patienceMs)
          throw conflict(
            `try paths to other hosts: another VXLAN link of this host has VNI ${probeVni} on port ${port}`,
            error,
          );
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

type EchoQuestion = Parameters<Awaited<ReturnType<Host["link"]["openEcho"]>>["send"]>[0];

/** A link that went with its netns may hold its VNI for some milliseconds more. */
const patienceMs = 2_000;
const pauseMs = 10;

function probeMac({ id }: ClusterNode): Mac {
  return derivedMac(`${id} probe`);
}

function isRight({ vxlan }: Link, self: ClusterNode): boolean {
  return (
    vxlan?.vni === probeVni &&
    vxlan.local !== undefined &&
    sameAddress(vxlan.local, self.address) &&
    vxlan.port === self.dataPort &&
    vxlan.dontFragment === (self.address.family === 4)
  );
}

function netnsSettings(family: 4 | 6): Readonly<Record<string, string>> {
  const group = process.getegid?.() ?? 0;
  const all6 = ["all", "default"].map((which) => `net/ipv6/conf/${which}`);
  return {
    // who may open an echo socket there
    "net/ipv4/ping_group_range": `${group} ${group}`,
    "net/ipv4/ip_forward": "0",
    "net/ipv4/icmp_echo_ignore_all": "0",
    ...(family === 6 &&
      Object.fromEntries(
        all6.flatMap((conf) => [
          [`${conf}/disable_ipv6`, "0"],
          [`${conf}/forwarding`, "0"],
          [`${conf}/accept_ra`, "0"],
          [`${conf}/accept_dad`, "0"],
          // IN6_ADDR_GEN_MODE_NONE; `all` cannot be read back for it
          ...(conf.endsWith("default") ? [[`${conf}/addr_gen_mode`, "1"]] : []),
        ]),
      )),
  };
}
