// Connections that outlive their container, under both back ends.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect, test } from "vitest";
import { bindSocket, type ConntrackEntry, listConntrack } from "../../../src/kernel/index.ts";
import { parseAddress } from "../../../src/netip/index.ts";
import { Lab } from "../lab.ts";
import { address, endpointSpec, networkSpec, prefix, sandboxSpec } from "./specs.ts";
import { createWorld } from "./world.ts";

/** A datagram socket in a namespace. */
async function datagrams(netns: string, port: number): Promise<Socket & AsyncDisposable> {
  const address = parseAddress("0.0.0.0");
  if (!address) throw new Error("unreachable");
  const fd = await bindSocket({ netns, protocol: "udp", address, port });
  const socket = createSocket("udp4");
  const listening = once(socket, "listening");
  socket.bind({ fd });
  await listening;
  const dispose = async () => {
    const closed = once(socket, "close");
    socket.close();
    await closed;
  };
  return Object.assign(socket, { [Symbol.asyncDispose]: dispose });
}

/** Sends until something arrives at the receiver; fails when nothing does. */
async function arrives(sender: Socket, receiver: Socket): Promise<boolean> {
  const received = once(receiver, "message", { signal: AbortSignal.timeout(20_000) }).then(
    () => true,
    () => false,
  );
  const timer = setInterval(() => sender.send("hello", 5353, "192.0.2.1"), 20);
  try {
    return await received;
  } finally {
    clearInterval(timer);
  }
}

test.each(["nftables", "iptables"] as const)(
  "a sender of datagrams with a fixed port reaches the container that has the port now, under %s",
  async (backend) => {
    await using lab = await Lab.create();
    const lan = lab.segment("192.0.2.0/24");
    const machine = await lan.host("machine");
    const peer = await lan.host("peer");
    await using world = await createWorld(machine, { backend });
    await world.controller.createNetwork(networkSpec("x1"));
    await using sender = await datagrams(peer.netns, 4000);
    const publishing = {
      endpoints: [endpointSpec("x1")],
      portBindings: [{ protocol: "udp" as const, containerPort: 53, hostPorts: { first: 5353, last: 5353 } }],
    };

    // nobody has the port yet: the host is asked, and the kernel remembers that
    sender.send("early", 5353, "192.0.2.1");
    const first = await world.controller.createSandbox(sandboxSpec("c1", publishing));
    {
      await using receiver = await datagrams(first.netnsPath, 53);
      expect(await arrives(sender, receiver)).toBe(true);
    }
    await first.delete();
    const second = await world.controller.createSandbox(sandboxSpec("c2", publishing));
    expect(second.endpoints()[0]?.ipv4).not.toEqual(first.endpoints()[0]?.ipv4);
    {
      await using receiver = await datagrams(second.netnsPath, 53);
      expect(await arrives(sender, receiver)).toBe(true);
    }
    await second.delete();
  },
);

test("a container that gets the address of one that was disconnected keeps its connections", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24");
  const machine = await lan.host("machine");
  await lan.host("peer");
  await using world = await createWorld(machine);
  const { controller } = world;
  const pools = {
    ipam: { ...networkSpec("x1").ipam, pools: [{ subnet: prefix("172.30.0.0/24"), auxiliaryAddresses: {} }] },
  };
  await controller.createNetwork(networkSpec("x1", pools));
  await controller.createNetwork(networkSpec("x2"));
  const own = address("172.30.0.9");
  const on = (...networks: string[]) => ({
    endpoints: networks.map((name) => endpointSpec(name, name === "x1" ? { ipv4: own } : {})),
  });
  const flows = () => listConntrack({ family: 4, originalSource: own }, machine.netns);
  const sends = async (netns: string, port: number) => {
    await using socket = await datagrams(netns, port);
    socket.send("hello", 7, "192.0.2.2");
    const isThere = ({ original }: ConntrackEntry) => original.sourcePort === port;
    await expect.poll(async () => (await flows()).some(isThere)).toBe(true);
  };

  const first = await controller.createSandbox(sandboxSpec("c1", on("x1", "x2")));
  await sends(first.netnsPath, 4001);
  await first.disconnect("x1");
  await expect.poll(flows).toEqual([]);
  const second = await controller.createSandbox(sandboxSpec("c2", on("x1")));
  await sends(second.netnsPath, 4002);
  // the port of the first goes
  await controller.settle();
  expect(await flows()).toHaveLength(1);
  await Promise.all([first.delete(), second.delete()]);
});
