// Lines of /proc/net/nf_conntrack.

import { expect, test } from "vitest";
import { lineAddress, readLine } from "../../../src/kernel/conntrack-text.ts";
import { address } from "./values.ts";

test("a translated connection", () => {
  const line =
    "ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.9 dst=192.0.2.1 sport=4000 dport=80 src=172.18.0.2 dst=192.0.2.9 sport=8080 dport=4000 [ASSURED] mark=7 zone=0 use=2";
  expect(readLine(line)).toEqual({
    original: {
      source: address("192.0.2.9"),
      destination: address("192.0.2.1"),
      protocol: 6,
      sourcePort: 4000,
      destinationPort: 80,
    },
    reply: {
      source: address("172.18.0.2"),
      destination: address("192.0.2.9"),
      protocol: 6,
      sourcePort: 8080,
      destinationPort: 4000,
    },
    mark: 7,
    isLedElsewhere: true,
  });
});

test("one whose source alone was translated was led nowhere else", () => {
  const line =
    "ipv4     2 udp      17 29 src=172.18.0.2 dst=192.0.2.9 sport=4000 dport=53 packets=1 bytes=60 [UNREPLIED] src=192.0.2.9 dst=192.0.2.1 sport=53 dport=4000 packets=0 bytes=0 mark=0 use=2";
  expect(readLine(line)).toMatchObject({ isLedElsewhere: false, original: { protocol: 17 } });
});

test("a ping, over IPv6", () => {
  const line =
    "ipv6     10 icmpv6   58 29 src=2001:0db8:0000:0000:0000:0000:0000:0009 dst=2001:0db8:0000:0000:0000:0000:0000:0001 type=128 code=0 id=77 src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0009 type=129 code=0 id=77 mark=0 zone=0 use=2";
  const entry = readLine(line);
  expect(entry).toMatchObject({
    original: { source: address("2001:db8::9"), protocol: 58 },
    icmp: { type: 128, code: 0, id: 77 },
  });
  expect(entry?.original.sourcePort).toBeUndefined();
  expect(line).toContain(` src=${lineAddress(address("2001:db8::9"))} `);
});

test.each([
  "ipv4     2 gre      47 29 src=192.0.2.9 dst=192.0.2.1 srckey=0x0 dstkey=0x1 src=192.0.2.1 dst=192.0.2.9 srckey=0x1 dstkey=0x0 mark=0 zone=0 use=2",
  "ipv4     2 udp      17 29 src=192.0.2.9 dst=192.0.2.1 sport=1 dport=2 src=192.0.2.1 dst=192.0.2.9 sport=2 dport=1 mark=0 zone=5 use=2",
  "ipv4     2 udp      17 29 src=192.0.2.9 dst=192.0.2.1 sport=1 dport=2",
])("what a line does not say whole is not guessed: %s", (line) => {
  expect(readLine(line)).toBeUndefined();
});
