// One walk through all that a bridge network promises, under both back ends.

import { expect, test } from "vitest";
import { formatAddress, formatPrefix } from "../../../src/netip/index.ts";
import { Lab } from "../lab.ts";
import "../matchers.ts";
import { inside } from "./inside.ts";
import { endpointSpec, networkSpec, sandboxSpec } from "./specs.ts";
import { createWorld } from "./world.ts";

const backends = ["nftables", "iptables"] as const;

test.each(backends)(
  "two containers talk to each other and to the world under %s, and nothing is left of them",
  async (backend) => {
    await using lab = await Lab.create();
    const lan = lab.segment("192.0.2.0/24");
    const machine = await lan.host("machine");
    const peer = await lan.host("peer");
    await machine.remember();
    {
      await using world = await createWorld(machine, { backend });
      const { controller, proxy } = world;
      expect(controller.networks().map(({ name }) => name)).toEqual(["none", "host", "bridge"]);
      const x1 = await controller.createNetwork(networkSpec("x1"));
      expect(x1.record.pools.map(({ subnet }) => formatPrefix(subnet))).toEqual(["172.18.0.0/16"]);

      const s1 = await controller.createSandbox(sandboxSpec("c1", { endpoints: [endpointSpec("x1")] }));
      const s2 = await controller.createSandbox(
        sandboxSpec("c2", {
          endpoints: [endpointSpec("x1")],
          portBindings: [{ protocol: "tcp", containerPort: 80, hostPorts: { first: 8080, last: 8080 } }],
        }),
      );
      const [e1] = s1.endpoints();
      expect(e1?.ipv4 && formatPrefix(e1.ipv4)).toBe("172.18.0.2/16");
      expect(e1?.gatewayIpv4 && formatAddress(e1.gatewayIpv4)).toBe("172.18.0.1");
      expect(e1?.interfaceName).toBe("eth0");
      expect(proxy.names(x1.id)).toContain("c1");

      await using c1 = await inside("c1", s1.netnsPath);
      await using c2 = await inside("c2", s2.netnsPath);
      await using _web = await c2.listen("0.0.0.0", 80);
      await using _peer = await peer.listen("0.0.0.0", 81);
      await expect(c1).toReach("172.18.0.3:80", { answer: "c2 172.18.0.2" });
      await expect(c1).toReach("192.0.2.2:81", { answer: "peer 192.0.2.1" });
      await expect(peer).toReach("192.0.2.1:8080", { answer: "c2 192.0.2.2" });
      await expect(machine).toReach("127.0.0.1:8080", { answer: "c2" });
      await expect(machine).toReach("192.0.2.1:8080");
      await expect(c1).toReach("192.0.2.1:8080");
      await expect(c2).toReach("192.0.2.1:8080");
      await expect(controller.deleteNetwork("x1")).rejects.toThrow(/has active endpoints \(name:"c1"/);

      await s2.delete();
      await expect(peer).not.toReach("192.0.2.1:8080");
      await s1.delete();
      await controller.deleteNetwork("x1");
    }
    // forwarding stays on, as documented
    await machine.expectUnchanged();
  },
);
