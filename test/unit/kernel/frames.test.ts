// Announcements, byte by byte.

import { expect, test } from "vitest";
import { announcement } from "../../../src/kernel/index.ts";
import { parseMac } from "../../../src/netip/index.ts";
import { address } from "../../lab/cnm/specs.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function mac(text: string) {
  const parsed = parseMac(text);
  if (!parsed) throw new TypeError(`not a MAC: ${text}`);
  return parsed;
}

test("an IPv4 address is announced by an ARP request for itself, to everybody", () => {
  expect(hex(announcement(mac("02:42:ac:11:00:02"), address("172.17.0.2")))).toBe(
    [
      "ffffffffffff",
      "0242ac110002",
      "0806",
      "0001080006040001",
      "0242ac110002",
      "ac110002",
      "000000000000",
      "ac110002",
    ].join(""),
  );
});

test("an IPv6 address is announced by an advertisement that overrides, to all nodes, with a right checksum", () => {
  const bytes = Buffer.from(announcement(mac("02:42:ac:11:00:02"), address("2001:db8::2")));
  expect(hex(bytes.subarray(0, 14))).toBe("3333000000010242ac11000286dd");
  const packet = bytes.subarray(14);
  expect(hex(packet.subarray(0, 8))).toBe("60000000" + "0020" + "3aff");
  expect(hex(packet.subarray(8, 24))).toBe("20010db8000000000000000000000002");
  expect(hex(packet.subarray(24, 40))).toBe("ff020000000000000000000000000001");
  const message = packet.subarray(40);
  expect(hex(message.subarray(4))).toBe(
    "20000000" + "20010db8000000000000000000000002" + "0201" + "0242ac110002",
  );
  // RFC 4443 2.3: with the pseudo-header and the checksum itself the sum is all ones
  const whole = Buffer.concat([packet.subarray(8, 40), Buffer.from([0, 0, 0, 32, 0, 0, 0, 58]), message]);
  let sum = 0;
  for (let at = 0; at < whole.length; at += 2) sum += whole.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  expect([message[0], sum]).toEqual([136, 0xffff]);
});
