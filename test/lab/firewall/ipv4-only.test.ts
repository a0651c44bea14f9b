// IPv6 on interfaces of an IPv4-only network: there is none, whoever advertises a prefix.

import { expect, test } from "vitest";
import {
  allNodes,
  broadcast,
  ethernet,
  etherType,
  routerAdvertisement,
  udp,
} from "../../conformance/firewall/frames.ts";
import { Wire } from "../../conformance/firewall/wire.ts";
import { inside } from "../cnm/inside.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "../cnm/specs.ts";
import { createWorld } from "../cnm/world.ts";
import { Lab } from "../lab.ts";

test("IPv6 on IPv4-only interfaces: no address and not one IPv6 frame, with a router that advertises", async () => {
  await using lab = await Lab.create();
  const machine = await lab.segment("192.0.2.0/24").host("machine");
  await using world = await createWorld(machine);
  const { controller } = world;
  // nothing keeps the attacker from it
  await controller.createNetwork(networkSpec("x", { options: { "tsdocker.antispoof": "off" } }));
  const attacker = await controller.createSandbox(
    sandboxSpec("attacker", { endpoints: [endpointSpec("x")] }),
  );
  await using wire = await Wire.open({ name: "attacker", netns: attacker.netnsPath });
  const victim = await controller.createSandbox(sandboxSpec("victim", { endpoints: [endpointSpec("x")] }));
  await using c1 = await inside("victim", victim.netnsPath);
  await using voice = await Wire.open({ name: "victim", netns: victim.netnsPath });
  const mac = "02:00:00:00:00:66";
  const router = routerAdvertisement("fe80::ff:fe00:66", "2001:db8:66::");
  wire.send(ethernet(mac, allNodes.mac, etherType.ipv6, router));
  // what the victim had to say to that comes before what it is made to say now
  const text = "the end";
  await voice.hear(router);
  const [, own = ""] = /link\/ether (\S+)/.exec(await c1.run("ip", "link", "show", "dev", "eth0")) ?? [];
  const last = udp("172.18.0.3", 1, "255.255.255.255", 1, text);
  voice.send(ethernet(own, broadcast, etherType.ipv4, last));
  await wire.hear(last);
  expect(await c1.run("ip", "-6", "addr", "show", "dev", "eth0")).toBe("");
  expect(wire.framesFrom(own).filter((frame) => frame.slice(24, 28) === "86dd")).toEqual([]);
  await victim.delete();
  await attacker.delete();
});
