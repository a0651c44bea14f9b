// A town under fire: datagrams that must never arrive are sent a thousand times a second, and what arrives is written down.

import dgram from "node:dgram";
import { bindSocket } from "../../../src/kernel/index.ts";
import { address, type Host } from "../../conformance/firewall/lab.ts";
import type { Town } from "../../conformance/firewall/town.ts";

/** Datagrams that nobody may get. */
interface Shot {
  readonly name: string;
  readonly from: Host;
  readonly to: string;
  readonly port: number;
}

export interface Fire extends AsyncDisposable {
  /** Names of the shots that hit, each once. */
  readonly hits: ReadonlySet<string>;
  /** How many datagrams were sent of each kind. */
  rounds(): number;
}

// nobody serves this one: what hears there only listens, so that no answer makes a flow look known
const silentPort = 7000;

/** br1 is an ordinary bridge with a port published on 127.0.0.1:7000, br2 an internal one. */
export async function openFire({ peer, attacker, host, c1, c3 }: Town): Promise<Fire> {
  const hits = new Set<string>();
  const stack: (() => void)[] = [];
  // the attacker's own loopback is no longer where 127.0.0.1 is
  await attacker.run(`
    sysctl -qw net.ipv4.conf.all.route_localnet=1
    ip route del table local local 127.0.0.1; ip route del table local local 127.0.0.0/8
    ip route add 127.0.0.1 via 198.51.100.1`);
  const shots: Shot[] = [
    { name: "from one bridge to another", from: c1, to: "172.20.2.2", port: silentPort },
    { name: "from one bridge to another, IPv6", from: c1, to: "fd00:2::2", port: silentPort },
    { name: "out of an internal network", from: c3, to: "192.0.2.2", port: silentPort },
    { name: "out of an internal network, IPv6", from: c3, to: "2001:db8:a::2", port: silentPort },
    { name: "to an unpublished port by routing", from: peer, to: "172.20.1.2", port: silentPort },
    { name: "to an unpublished port by routing, IPv6", from: peer, to: "fd00:1::2", port: silentPort },
    { name: "to a port of 127.0.0.1 from a neighbour", from: attacker, to: "127.0.0.1", port: silentPort },
  ];
  for (const listener of [host, peer, c1, c3])
    for (const at of ["0.0.0.0", "::"]) {
      const socket = await socketIn(listener, at, silentPort);
      socket.on("message", (bytes) => hits.add(`${bytes}, at ${listener.name}`));
      stack.push(() => socket.close());
    }
  const guns = await Promise.all(
    shots.map(async (shot) => ({
      ...shot,
      socket: await socketIn(shot.from, shot.to.includes(":") ? "::" : "0.0.0.0", 0),
    })),
  );
  let rounds = 0;
  const timer = setInterval(() => {
    rounds++;
    for (const { socket, name, to, port } of guns) socket.send(name, port, to, () => undefined);
  }, 1);
  stack.push(
    () => clearInterval(timer),
    ...guns.map(
      ({ socket }) =>
        () =>
          void socket.close(),
    ),
  );
  return {
    hits,
    rounds: () => rounds,
    [Symbol.asyncDispose]: async () => {
      for (const close of stack.toReversed()) close();
    },
  };
}

async function socketIn(host: Host, at: string, port: number): Promise<dgram.Socket> {
  const fd = await bindSocket({ netns: host.netns, protocol: "udp", address: address(at), port });
  const socket = dgram.createSocket(at === "::" ? "udp6" : "udp4");
  socket.on("error", () => undefined);
  await new Promise<void>((bound) => socket.bind({ fd }, bound));
  return socket;
}
