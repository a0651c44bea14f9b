// How published ports of services become elements.

import { expect, test } from "vitest";
import { ingressElements, ingressRequests } from "../../../../src/kernel/nftables/index.ts";
import { parseAddress } from "../../../../src/netip/index.ts";

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
}

test("a port's shares are divided among its endpoints, each family's among its own", () => {
  const backends = ["192.0.2.2", "192.0.2.1", "2001:db8::1", "192.0.2.1"].map(address);
  const elements = ingressElements([{ protocol: "udp", port: 8080, targetPort: 80, backends }]);
  expect(elements.get("ports4")).toEqual([
    {
      key: Uint8Array.of(17, 0, 0, 0, 31, 144, 0, 0, 0, 0, 0, 0),
      keyEnd: Uint8Array.of(17, 0, 0, 0, 31, 144, 0, 0, 127, 255, 0, 0),
      data: Uint8Array.of(192, 0, 2, 1, 0, 80, 0, 0),
    },
    {
      key: Uint8Array.of(17, 0, 0, 0, 31, 144, 0, 0, 128, 0, 0, 0),
      keyEnd: Uint8Array.of(17, 0, 0, 0, 31, 144, 0, 0, 255, 255, 0, 0),
      data: Uint8Array.of(192, 0, 2, 2, 0, 80, 0, 0),
    },
  ]);
  expect(elements.get("ports6")).toHaveLength(1);
});

test("a port without endpoints has no elements: what comes there is for nobody, and refused", () => {
  const elements = ingressElements([{ protocol: "tcp", port: 1, targetPort: 1, backends: [] }]);
  expect([...elements.values()].flat()).toEqual([]);
});

test("the layout has six rules, whatever the ports", () => {
  const rules = ingressRequests("eth0").filter(({ words }) => words.startsWith("nft add rule"));
  expect(rules).toHaveLength(6);
});
