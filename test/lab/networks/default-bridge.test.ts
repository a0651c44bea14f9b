// The default bridge by its flags.

import { describe, expect, test } from "vitest";
import { formatPrefix } from "../../../src/netip/index.ts";
import "../matchers.ts";
import { address, defaultBridge, prefix } from "../cnm/specs.ts";
import { addressesOf, box, createSite, mtuOf } from "./site.ts";

describe("the default bridge", () => {
  test("has the subnet, range and gateways of its flags, in both families", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultBridge: {
        ...defaultBridge,
        bip: prefix("10.44.0.1/24"),
        fixedCidr: prefix("10.44.0.128/25"),
        defaultGateway: address("10.44.0.254"),
        ipv6: true,
        bip6: prefix("2001:db8:44::1/64"),
        fixedCidrIpv6: prefix("2001:db8:44::8000/113"),
        defaultGatewayIpv6: address("2001:db8:44::fe"),
        mtu: 1410,
        icc: false,
        hostBinding: address("127.0.0.1"),
      },
    });
    expect(await addressesOf(site.machine, "docker0")).toEqual(["10.44.0.1/24", "2001:db8:44::1/64"]);
    expect(await mtuOf(site.machine, "docker0")).toBe(1410);
    await using c1 = await box(world.controller, "c1", "bridge");
    const [endpoint] = c1.sandbox.endpoints();
    expect(endpoint?.ipv4).toEqual(prefix("10.44.0.128/24"));
    expect(endpoint?.ipv6).toEqual(prefix("2001:db8:44::8000/64"));
    expect(endpoint?.gatewayIpv4).toEqual(address("10.44.0.254"));
    expect(endpoint?.gatewayIpv6).toEqual(address("2001:db8:44::fe"));
    await using c2 = await box(world.controller, "c2", "bridge");
    await using _web = await c2.here.listen("0.0.0.0", 80);
    await expect(c1.here).not.toReach("10.44.0.129:80");
  });

  test("with a range alone has the range as its subnet, and without IPv6 flags a subnet of the host's own", async () => {
    await using site = await createSite();
    await using world = await site.world({
      defaultBridge: { ...defaultBridge, ipv6: true, fixedCidr: prefix("10.45.0.0/25") },
    });
    const [ipv4, ipv6] = world.controller.network("bridge").record.pools;
    expect(ipv4 && formatPrefix(ipv4.subnet)).toBe("10.45.0.0/25");
    expect(ipv6 && formatPrefix(ipv6.subnet)).toMatch(/^fd.*\/64$/);
  });

  test("whose gateway is not in its subnet keeps the daemon from starting, by the flag's name", async () => {
    await using site = await createSite();
    const wrong = { ...defaultBridge, bip: prefix("10.44.0.1/24"), defaultGateway: address("10.45.0.1") };
    await expect(site.world({ defaultBridge: wrong })).rejects.toThrow(
      "default-gateway is not in the bridge's IPv4 subnet",
    );
    await site.machine.run("nft", "flush", "ruleset");
  });
});
