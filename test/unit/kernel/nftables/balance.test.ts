// How virtual addresses become elements.

import { expect, test } from "vitest";
import { balanceElements, balanceRequests } from "../../../../src/kernel/nftables/index.ts";
import { parseAddress } from "../../../../src/netip/index.ts";

function address(text: string) {
  const parsed = parseAddress(text);
  if (!parsed) throw new TypeError(text);
  return parsed;
}

const service = (vip: string, ...backends: string[]) => ({
  vip: address(vip),
  backends: backends.map(address),
});

/** `first-last > backend` of what a set holds, shares as numbers. */
function sharesOf(services: ReturnType<typeof service>[], set: string): string[] {
  return (balanceElements(services).get(set) ?? []).map(({ key, keyEnd, data }) => {
    const share = (bytes: Uint8Array | undefined) =>
      bytes && Buffer.from(bytes).readUInt16BE(bytes.length - 4);
    const to = data instanceof Uint8Array ? data.join(".") : "";
    return `${share(key)}-${share(keyEnd)} > ${to}`;
  });
}

test("backends divide the shares among them without gap or overlap", () => {
  const services = [service("192.0.2.200", "192.0.2.3", "192.0.2.1", "192.0.2.2")];
  expect(sharesOf(services, "backends4")).toEqual([
    "0-21844 > 192.0.2.1",
    "21845-43689 > 192.0.2.2",
    "43690-65535 > 192.0.2.3",
  ]);
});

test("the order in which backends are named, or one named twice, makes no difference", () => {
  const one = balanceElements([service("192.0.2.200", "192.0.2.1", "192.0.2.2")]);
  expect(balanceElements([service("192.0.2.200", "192.0.2.2", "192.0.2.1", "192.0.2.2")])).toEqual(one);
});

test("an address without backends is idle, and refuses", () => {
  const elements = balanceElements([service("192.0.2.200"), service("2001:db8::200", "2001:db8::1")]);
  expect(elements.get("idle4")).toEqual([{ key: Uint8Array.of(192, 0, 2, 200) }]);
  expect(elements.get("backends4")).toEqual([]);
  expect(elements.get("idle6")).toEqual([]);
  expect(elements.get("backends6")).toHaveLength(1);
});

test("backends of another family than the virtual address do not count", () => {
  const elements = balanceElements([service("192.0.2.200", "2001:db8::1")]);
  expect(elements.get("idle4")).toHaveLength(1);
});

test("the layout has six rules, whatever the services", () => {
  expect(balanceRequests().filter(({ words }) => words.startsWith("nft add rule"))).toHaveLength(6);
});
