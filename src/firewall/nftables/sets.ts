// Tables, sets and maps of the nftables back end: all that changes while it runs are their elements.

import type { SetSpec, Table } from "../../kernel/nftables/index.ts";

export const mainTable: Table = { family: "inet", name: "tsdocker" };
/** Traffic inside a bridge never reaches the main table: this one exists while there is a bridge of ours. */
export const bridgeTable: Table = { family: "bridge", name: "tsdocker" };

export const mainSets: readonly SetSpec[] = [
  { name: "from", key: ["nf_proto", "ifname"], data: "verdict" },
  { name: "to", key: ["nf_proto", "ifname"], data: "verdict" },
  { name: "within", key: ["ifname", "ifname"], data: "verdict" },
  { name: "trusted", key: ["ifname", "ifname"] },
  { name: "bridges", key: ["ifname"] },
  { name: "host_access", key: ["ifname"], data: "verdict" },
  { name: "host_closed", key: ["ifname"] },
  ...portSets(4),
  ...portSets(6),
];

export const bridgeSets: readonly SetSpec[] = [
  { name: "guards", key: ["ifname"], data: "verdict" },
  { name: "own_macs", key: ["ifname", "ether_addr"] },
  { name: "own4", key: ["ifname", "ipv4_addr"] },
  { name: "own6", key: ["ifname", "ipv6_addr"] },
  { name: "taken_macs", key: ["devgroup", "ether_addr"] },
  { name: "taken4", key: ["devgroup", "ipv4_addr"] },
  { name: "taken6", key: ["devgroup", "ipv6_addr"] },
  { name: "apart", key: ["devgroup", "devgroup"] },
  allowFromSet(4),
  allowFromSet(6),
];

function portSets(version: 4 | 6): SetSpec[] {
  const address = `ipv${version}_addr` as const;
  return [
    { name: `ports${version}`, key: ["inet_proto", "inet_service"], data: [address, "inet_service"] },
    {
      name: `ports${version}_at`,
      key: [address, "inet_proto", "inet_service"],
      data: [address, "inet_service"],
    },
    {
      name: `port_ranges${version}`,
      key: ["inet_proto", "inet_service"],
      interval: true,
      data: [address],
    },
    {
      name: `port_ranges${version}_at`,
      key: [address, "inet_proto", "inet_service"],
      interval: true,
      data: [address],
    },
    { name: `inside${version}`, key: ["ifname", address], interval: true },
    { name: `masquerade${version}`, key: [address], interval: true },
    { name: `snat${version}`, key: [address], interval: true, data: [address] },
    { name: `open${version}`, key: ["inet_proto", "inet_service"] },
    { name: `open${version}_at`, key: [address, "inet_proto", "inet_service"] },
    { name: `open_ranges${version}`, key: [address, "inet_proto", "inet_service"], interval: true },
    { name: `allow${version}`, key: [address, "inet_proto", "inet_service"] },
    { name: `allow_ranges${version}`, key: [address, "inet_proto", "inet_service"], interval: true },
    allowFromSet(version),
    { name: `trusted_ports${version}`, key: [address, "inet_proto", "inet_service"] },
    { name: `trusted_ranges${version}`, key: [address, "inet_proto", "inet_service"], interval: true },
  ];
}

function allowFromSet(version: 4 | 6): SetSpec {
  const address = `ipv${version}_addr` as const;
  return {
    name: `allow_from${version}`,
    key: [address, address, "inet_proto", "inet_service"],
    interval: true,
  };
}
