// Rules as iptables text.

import { expect, test } from "vitest";
import { renderRules } from "../../../src/firewall/iptables/render.ts";
import { address, allow, bridge, open, publish } from "./rules.ts";

test("an ordinary bridge", () => {
  expect(renderRules([bridge("br1")], 4)).toEqual({
    raw: { "DOCKER-RAW": ["! -i lo -d 127.0.0.0/8 -j DROP"] },
    filter: {
      "DOCKER-FORWARD": ["-j DOCKER-INTERNAL", "-j DOCKER-CT", "-j DOCKER-BRIDGE", "-i br1 -j ACCEPT"],
      "DOCKER-INTERNAL": [],
      "DOCKER-INPUT": [],
      "DOCKER-CT": [
        "-o br1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-i br1 ! -o br1 -m conntrack --ctstate INVALID -j DROP",
        "! -i br1 -o br1 -m conntrack --ctstate INVALID -j DROP",
      ],
      "DOCKER-BRIDGE": ["-o br1 -j DOCKER"],
      "DOCKER-UNASKED": [],
      DOCKER: [
        "-s 10.1.0.0/24 ! -i br1 -o br1 -j DROP",
        "-o br1 -m conntrack --ctstate DNAT -j ACCEPT",
        "-i br1 -o br1 -j ACCEPT",
        "! -i br1 -o br1 -j DROP",
      ],
    },
    nat: {
      DOCKER: [],
      "DOCKER-POSTROUTING": [
        "-o lo -j RETURN",
        "-s 127.0.0.0/8 -o br1 -j MASQUERADE",
        "-s 10.1.0.0/24 -o br1 -m conntrack --ctstate DNAT -j MASQUERADE",
        "-s 10.1.0.0/24 ! -o br1 -j MASQUERADE",
      ],
    },
  });
});

test("from a routed bridge no server goes on with a connection to a port that is not open", () => {
  const links = { ...allow("10.1.0.2", "5432"), from: address("10.1.0.3") };
  const rules = [
    bridge("br1", { gatewayMode: { 4: "routed", 6: "routed" } }),
    allow("10.1.0.2", "80-90"),
    links,
  ];
  const { filter } = renderRules(rules, 4);
  expect(filter["DOCKER-CT"]).toContain(
    "-i br1 ! -o br1 -p tcp --sport 0:32767 --tcp-flags SYN NONE -m conntrack --ctstate NEW -j DOCKER-UNASKED",
  );
  expect(filter["DOCKER-UNASKED"]).toEqual([
    "-i br1 -s 10.1.0.2 -p tcp --sport 80:90 -j RETURN",
    "-i br1 -j DROP",
  ]);
});

test("published ports: one address before all addresses, ranges as one rule", () => {
  const rules = [
    publish("8080", "10.1.0.2", "80"),
    publish("8080", "10.1.0.3", "80", "192.0.2.1"),
    publish("20000-29999", "10.1.0.2", "20000-29999"),
    publish("9080-9081", "10.1.0.2", "80-81"),
    publish("53", "10.1.0.2", "53"),
  ];
  expect(renderRules(rules, 4).nat.DOCKER).toEqual([
    "-d 192.0.2.1 -p tcp --dport 8080 -j DNAT --to-destination 10.1.0.3:80",
    "-p tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
    "-p tcp --dport 20000:29999 -j DNAT --to-destination 10.1.0.2",
    "-p tcp --dport 9080:9081 -j DNAT --to-destination 10.1.0.2:80-81/9080",
    "-p tcp --dport 53 -j DNAT --to-destination 10.1.0.2:53",
  ]);
  expect(renderRules(rules, 6).nat.DOCKER).toEqual(["-s fe80::/10 -j RETURN", "-d ::1 -j RETURN"]);
});

test("IPv6 targets stand in brackets only before a port", () => {
  const rules = [publish("8080", "fd00::2", "80"), publish("80-90", "fd00::2", "80-90")];
  expect(renderRules(rules, 6).nat.DOCKER?.slice(2)).toEqual([
    "-p tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80",
    "-p tcp --dport 80:90 -j DNAT --to-destination fd00::2",
  ]);
});

test("an internal bridge is judged before anything is accepted", () => {
  const { filter, nat } = renderRules(
    [bridge("br1", { internal: true, icc: false }), allow("10.1.0.2", "80", "10.1.0.3")],
    4,
  );
  expect(filter["DOCKER-INTERNAL"]).toEqual([
    "-i br1 ! -o br1 -j DROP",
    "! -i br1 -o br1 -j DROP",
    "-i br1 -o br1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-i br1 -o br1 -s 10.1.0.3 -d 10.1.0.2 -p tcp --dport 80 -j ACCEPT",
    "-i br1 -o br1 -j DROP",
  ]);
  expect([filter.DOCKER, filter["DOCKER-CT"], filter["DOCKER-BRIDGE"]]).toEqual([[], [], []]);
  expect(nat["DOCKER-POSTROUTING"]?.some((line) => line.includes("! -o br1"))).toBe(false);
});

test("routed, unprotected and trusted access come before the final drop", () => {
  const docker = (more: Parameters<typeof bridge>[1]) =>
    renderRules([bridge("br1", more), allow("10.1.0.2", "80-90")], 4).filter.DOCKER?.slice(3);
  const allowed = "! -i br1 -o br1 -d 10.1.0.2 -p tcp --dport 80:90 -j ACCEPT";
  const drop = "! -i br1 -o br1 -j DROP";
  expect(docker({ gatewayMode: { 4: "routed", 6: "nat" } })).toEqual([
    "! -i br1 -o br1 -p icmp -j ACCEPT",
    allowed,
    drop,
  ]);
  expect(docker({ gatewayMode: { 4: "nat-unprotected", 6: "nat" } })).toEqual([
    "! -i br1 -o br1 -j ACCEPT",
    allowed,
    drop,
  ]);
  expect(docker({ trustedLinks: ["eth0"] })).toEqual([allowed, drop]);
});

test("trusted links lead to the ports that are meant for them, and others do not", () => {
  const rules = [
    bridge("br1", { icc: false, trustedLinks: ["eth0", "wg0"] }),
    allow("10.1.0.2", "80-90", "trusted"),
  ];
  const port = "-o br1 -d 10.1.0.2 -p tcp --dport 80:90 -j ACCEPT";
  expect(renderRules(rules, 4).filter.DOCKER?.slice(2)).toEqual([
    "-i br1 -o br1 -j DROP",
    `-i eth0 ${port}`,
    `-i wg0 ${port}`,
    "! -i br1 -o br1 -j DROP",
  ]);
});

test("a fixed source is a SNAT, a kept one only the hairpin", () => {
  const leaving = (source: "keep" | ReturnType<typeof address>) =>
    renderRules([bridge("br1", { source: { 4: source, 6: "keep" } })], 4).nat["DOCKER-POSTROUTING"]?.slice(2);
  const hairpin = "-s 10.1.0.0/24 -o br1 -m conntrack --ctstate DNAT -j MASQUERADE";
  expect(leaving("keep")).toEqual([hairpin]);
  expect(leaving(address("192.0.2.7"))).toEqual([
    hairpin,
    "-s 10.1.0.0/24 ! -o br1 -j SNAT --to-source 192.0.2.7",
  ]);
});

test("a network may be kept from the host, and answers and neighbours pass all the same", () => {
  const rendered = renderRules([bridge("br1", { hostAccess: "none" }), open("80", 6)], 6);
  expect(rendered.filter["DOCKER-INPUT"]).toEqual([
    "-i br1 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
    "-i br1 -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN",
    "-i br1 -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j RETURN",
    "-i br1 -j DROP",
  ]);
  expect(rendered.nat.DOCKER?.[0]).toBe("-i br1 -j RETURN");
});

test("a network may be left the published ports of the host", () => {
  const rendered = renderRules([bridge("br1", { hostAccess: "ports" }), open("80", 4, "192.0.2.1")], 4);
  expect(rendered.filter["DOCKER-INPUT"]).toEqual([
    "-i br1 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
    "-i br1 -d 192.0.2.1 -p tcp --dport 80 -j RETURN",
    "-i br1 -j DROP",
  ]);
  expect(rendered.nat.DOCKER).toEqual([]);
});

test("containers that are kept apart still pass the table for bridges by a published port", () => {
  const rendered = renderRules([bridge("br1", { icc: false })], 4);
  expect(rendered.filter["DOCKER-FORWARD"]?.[0]).toBe(
    "-i br1 -o br1 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j MARK --set-xmark 0x20000000/0x20000000",
  );
});
