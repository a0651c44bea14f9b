// The pure parts of the model: records, gateways, what attaching a link takes.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attachRequests, linkSysctls } from "../../../src/cnm/attach.ts";
import { chooseGateways, type GatewayCandidate } from "../../../src/cnm/gateway.ts";
import { pack, unpack } from "../../../src/cnm/stored.ts";
import { parseMac } from "../../../src/netip/index.ts";
import { address, prefix } from "../../lab/cnm/specs.ts";

describe("records", () => {
  test("come back from JSON as they were, addresses and text that looks like one included", () => {
    const anAddress = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: 4 as const, value })),
      fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: 6 as const, value })),
    );
    const text = fc.oneof(fc.string(), fc.constantFrom("@", "@@", "@1.2.3.4", "@::1"));
    const record = fc.record({
      labels: fc.dictionary(
        fc.string({ minLength: 1 }).filter((key) => key !== "__proto__"),
        text,
      ),
      list: fc.array(fc.oneof(text, anAddress, fc.boolean(), fc.integer())),
      prefix: fc.record({ address: anAddress, length: fc.nat(128) }),
    });
    fc.assert(
      fc.property(record, (value) => {
        expect(unpack(JSON.parse(JSON.stringify(pack(value))))).toEqual(value);
      }),
    );
  });

  test("that are damaged are an error, not a wrong address", () => {
    expect(() => unpack(JSON.parse('{"address":"@1.2.3"}'))).toThrow("not an address on record: 1.2.3");
  });
});

describe("the way out", () => {
  const candidate = (networkName: string, part: Partial<GatewayCandidate> = {}): GatewayCandidate => ({
    networkName,
    priority: 0,
    internal: false,
    hasGateway: { 4: true, 6: false },
    ...part,
  });
  const chosen = (...candidates: GatewayCandidate[]) => {
    const gateways = chooseGateways(candidates);
    return [gateways[4]?.networkName, gateways[6]?.networkName];
  };

  test("is by priority, then by families, then by name", () => {
    expect(chosen(candidate("b"), candidate("a"))).toEqual(["a", undefined]);
    expect(chosen(candidate("a"), candidate("b", { hasGateway: { 4: true, 6: true } }))).toEqual(["b", "b"]);
    expect(chosen(candidate("a"), candidate("b", { priority: 1 }))).toEqual(["b", undefined]);
    expect(chosen(candidate("a", { priority: -1 }), candidate("b"))).toEqual(["b", undefined]);
  });

  test("may differ between families, and may be none", () => {
    const only6 = candidate("six", { hasGateway: { 4: false, 6: true } });
    expect(chosen(candidate("four"), only6)).toEqual(["four", "six"]);
    expect(chosen(candidate("inside", { internal: true, hasGateway: { 4: false, 6: false } }))).toEqual([
      undefined,
      undefined,
    ]);
    expect(chosen()).toEqual([undefined, undefined]);
  });

  test("does not depend on the order of connecting", () => {
    const all = ["a", "b", "c", "d"].map((name, at) => candidate(name, { priority: at % 2 }));
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: 4 }), (order) => {
        expect(chosen(...order)).toEqual(["b", undefined]);
      }),
    );
  });
});

describe("attaching a link", () => {
  const words = (...args: Parameters<typeof attachRequests>) =>
    attachRequests(...args).map((request) => request.words);

  test("is one batch: name and MAC first, addresses, up, routes by the link before routes by a hop", () => {
    const mac = parseMac("02:42:ac:12:00:02");
    expect(
      words(
        { index: 7, name: "port7", finalName: "eth0", ...(mac && { mac }) },
        {
          interface: { address: prefix("172.18.0.2/16"), addressIpv6: prefix("2001:db8::2/64") },
          linkLocal: [address("169.254.3.4"), address("fe80::9")],
          routes: [
            { destination: prefix("10.0.0.0/8"), nextHop: address("192.0.2.1") },
            { destination: prefix("192.0.2.0/24") },
            { destination: prefix("0.0.0.0/0") },
          ],
        },
      ),
    ).toEqual([
      "ip link set if7 name eth0 address 02:42:ac:12:00:02",
      "ip address add 172.18.0.2/16 broadcast + dev if7",
      "ip address add 2001:db8::2/64 dev if7 nodad",
      "ip address add 169.254.3.4/16 broadcast + dev if7",
      "ip address add fe80::9/64 dev if7 nodad",
      "ip link set if7 up",
      "ip route add 192.0.2.0/24 dev if7 scope link",
      "ip route add 10.0.0.0/8 via 192.0.2.1",
    ]);
  });

  test("leaves a link alone that is right already", () => {
    const plain = { index: 2, name: "eth0", finalName: "eth0" };
    expect(words(plain, { interface: {}, linkLocal: [], routes: [] })).toEqual(["ip link set if2 up"]);
  });

  test("sets sysctls of the link under its name, dots included", () => {
    const extra = { "net.ipv4.conf.IFNAME.log_martians": "1" };
    expect(linkSysctls("eth0.1", { ipv6: false, kernelHasIpv6: true, extra })).toEqual({
      "net/ipv6/conf/eth0.1/disable_ipv6": "1",
      "net/ipv4/conf/eth0.1/log_martians": "1",
    });
    expect(linkSysctls("eth0", { ipv6: false, kernelHasIpv6: false, extra: undefined })).toEqual({});
  });
});
