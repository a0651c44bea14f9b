// The address flags of `network create`.

import { describe, expect, it } from "vitest";
import { type IpamArgs, ipamConfig } from "../../../../src/cli/options/ipam.ts";

const config = (args: Partial<IpamArgs>) =>
  ipamConfig({ subnets: [], ranges: [], gateways: [], auxAddresses: {}, ...args });

describe("the address settings of a network", () => {
  it("belong to the subnet that contains them, of either family", () => {
    expect(
      config({
        subnets: ["10.0.0.0/24", "2001:db8::/64"],
        ranges: ["10.0.0.128/25"],
        gateways: ["2001:db8::1", "10.0.0.1"],
        auxAddresses: { router: "10.0.0.5", other: "2001:db8::5" },
      }),
    ).toEqual([
      {
        Subnet: "10.0.0.0/24",
        IPRange: "10.0.0.128/25",
        Gateway: "10.0.0.1",
        AuxiliaryAddresses: { router: "10.0.0.5" },
      },
      { Subnet: "2001:db8::/64", Gateway: "2001:db8::1", AuxiliaryAddresses: { other: "2001:db8::5" } },
    ]);
  });

  it.each([
    [{ gateways: ["10.0.0.1"] }, "every ip-range or gateway must have a corresponding subnet"],
    [{ subnets: ["10.0.0.0/24"], gateways: ["192.0.2.1"] }, "no matching subnet for gateway 192.0.2.1"],
    [{ subnets: ["10.0.0.0/24"], ranges: ["192.0.2.0/25"] }, "no matching subnet for range 192.0.2.0/25"],
    [{ subnets: ["10.0.0.0/24"], ranges: ["foo"] }, "invalid CIDR address: foo"],
    [
      { subnets: ["10.0.0.0/24"], auxAddresses: { a: "192.0.2.1" } },
      "no matching subnet for aux-address 192.0.2.1",
    ],
    [
      { subnets: ["10.0.0.0/24", "10.0.0.0/25"] },
      "multiple overlapping subnet configuration is not supported",
    ],
    [
      { subnets: ["10.0.0.0/24", "10.1.0.0/24"], gateways: ["10.0.0.1", "10.0.0.2"] },
      "cannot configure multiple gateways (10.0.0.2, 10.0.0.1) for the same subnet (10.0.0.0/24)",
    ],
  ])("%j is refused: %s", (args, why) => {
    expect(() => config(args)).toThrow(why);
  });
});
