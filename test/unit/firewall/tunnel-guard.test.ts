// What the guard of tunnels asks of kernels, and of which changes it takes notice.

import { describe, expect, test } from "vitest";
import { canFilterEgress, canSeal } from "../../../src/firewall/nftables/probe.ts";
import { matters } from "../../../src/firewall/tunnel-links.ts";
import {
  type Link,
  lookUpRoute,
  type NetworkEvent,
  type Route,
  routeLinks,
} from "../../../src/kernel/index.ts";
import type { Nftables } from "../../../src/kernel/nftables/index.ts";
import { address } from "../kernel/values.ts";

/** A kernel that refuses every transaction so. */
function refusing(code: string | undefined): Nftables {
  const commit = async () => {
    if (code) throw Object.assign(new Error(code), { code });
  };
  return { commit } as unknown as Nftables;
}

describe.each([
  ["frames that links give out", canFilterEgress],
  ["what IPsec sealed", canSeal],
] as const)("whether rules can tell %s", (_, probe) => {
  test("is asked by trying", async () => {
    expect(await probe(refusing(undefined))).toBe(true);
    for (const code of ["EOPNOTSUPP", "EINVAL", "ENOENT"]) expect(await probe(refusing(code))).toBe(false);
  });

  test("is not answered by what is no answer", async () => {
    await expect(probe(refusing("EPERM"))).rejects.toMatchObject({ code: "EPERM" });
  });
});

describe("links are looked for again", () => {
  const link = (index: number, master?: number) =>
    ({ kind: "link", gone: false, link: { index, master } as Link }) satisfies NetworkEvent;
  const route = (table: number) =>
    ({ kind: "route", gone: false, route: { table } as Route }) satisfies NetworkEvent;
  const known = new Set([2, 3]);

  test("when routes change, or those that are known, or their ports, or when changes were lost", () => {
    for (const event of [route(254), route(100), link(2), link(9, 3), { kind: "lost" } as const])
      expect(matters(event, known)).toBe(true);
  });

  test("and not for every container that comes and goes", () => {
    for (const event of [route(255), link(9), link(9, 8)]) expect(matters(event, known)).toBe(false);
  });
});

describe("a route", () => {
  test("is asked for with all its next hops", () => {
    const { type, payload } = lookUpRoute(address("192.0.2.9"));
    expect(type).toBe(26); // RTM_GETROUTE
    // struct rtmsg: AF_INET, 32 bits, RTM_F_FIB_MATCH; RTA_DST
    expect(Buffer.from(payload).toString("hex")).toBe("022000000000000000200000" + "08000100c0000209");
  });

  test("leads through its link, or those of its next hops", () => {
    const header = Buffer.alloc(12);
    const one = Buffer.from("0800040007000000", "hex");
    // RTA_MULTIPATH of two struct rtnexthop, the first with a gateway
    const hops = Buffer.from(
      "1c000900" + "1000000003000000" + "08000500c0000201" + "0800000004000000",
      "hex",
    );
    expect(routeLinks(Buffer.concat([header, one]))).toEqual([7]);
    expect(routeLinks(Buffer.concat([header, hops]))).toEqual([3, 4]);
    expect(routeLinks(header)).toEqual([]);
  });
});
