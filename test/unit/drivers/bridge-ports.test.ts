// Ports that the bridge driver publishes: where they are open, and by what.

import { describe, expect, test } from "vitest";
import { formatAddress, formatPortRange } from "../../../src/netip/index.ts";
import { address } from "../../lab/cnm/specs.ts";
import { bind, ipv6, link, option, publish, tcp } from "./bridge-world.ts";

describe("published ports", () => {
  test("are translated by the kernel on IPv4 and forwarded in user space from IPv6", async () => {
    const { shown, rules, forwards, host } = await publish({}, [tcp(80, 8080)]);
    expect(shown).toEqual(["0.0.0.0 8080 80", ":: 8080 80"]);
    expect([...host.held]).toEqual(["tcp 0.0.0.0:8080", "tcp :::8080"]);
    expect(rules).toEqual([
      {
        kind: "publish",
        link,
        protocol: "tcp",
        hostPorts: { first: 8080, last: 8080 },
        target: address("172.18.0.2"),
        targetPorts: { first: 80, last: 80 },
      },
      // the forwarder's socket counts as published to networks that reach no other ports of the host
      { kind: "open", protocol: "tcp", family: 6, hostPorts: { first: 8080, last: 8080 } },
    ]);
    expect(forwards).toEqual([":: 8080 172.18.0.2 80"]);
  });

  test("of a container with IPv6 are translated for both, and [::1] is forwarded", async () => {
    const { rules, forwards } = await publish({ v6: ipv6 }, [tcp(80, 8080)]);
    expect(rules.map((rule) => rule.kind === "publish" && formatAddress(rule.target))).toEqual([
      "172.18.0.2",
      "2001:db8::2",
    ]);
    expect(forwards).toEqual([":: 8080 2001:db8::2 80"]);
  });

  test("on one address are on that address alone", async () => {
    const { shown, rules, forwards } = await publish({}, [tcp(80, 8080, "127.0.0.1"), tcp(81, 81, "::1")]);
    expect(shown).toEqual(["127.0.0.1 8080 80", "::1 81 81"]);
    expect(rules).toMatchObject([{ hostAddress: address("127.0.0.1") }]);
    expect(forwards).toEqual(["::1 81 172.18.0.2 81"]);
  });

  test("take the network's default address", async () => {
    const { shown } = await publish({ generic: option("bridge.host_binding_ipv4", "127.0.0.1") }, [
      tcp(80, 8080),
    ]);
    expect(shown).toEqual(["127.0.0.1 8080 80"]);
    const any = await publish({ generic: option("bridge.host_binding_ipv4", "0.0.0.0") }, [tcp(80, 8080)]);
    expect(any.shown).toEqual(["0.0.0.0 8080 80", ":: 8080 80"]);
  });

  test("a thousand become one reservation, one rule and one call each", async () => {
    const bindings = Array.from({ length: 1000 }, (_, at) => tcp(20000 + at, 30000 + at, "0.0.0.0"));
    const { rules, host } = await publish({}, bindings.toReversed());
    expect(rules).toEqual([
      expect.objectContaining({
        hostPorts: { first: 30000, last: 30999 },
        targetPorts: { first: 20000, last: 20999 },
      }),
    ]);
    expect(host.steps.transcript.filter((step) => step.startsWith("firewall"))).toEqual(["firewall publish"]);
  });

  test("that do not follow one another stay apart", async () => {
    const { rules } = await publish({}, [tcp(80, 8080), tcp(81, 8082), tcp(90, 8083)]);
    expect(rules.filter(({ kind }) => kind === "publish")).toHaveLength(3);
  });

  test("without a host port get one", async () => {
    const { shown } = await publish({}, [tcp(80)]);
    expect(shown).toEqual(["0.0.0.0 32768 80", ":: 32768 80"]);
  });

  test("in routed mode are allowed in, without a host port", async () => {
    const { shown, rules, host } = await publish({ generic: option("bridge.gateway_mode_ipv4", "routed") }, [
      tcp(80, 8080),
    ]);
    expect(rules).toEqual([
      {
        kind: "allow",
        link,
        target: address("172.18.0.2"),
        protocol: "tcp",
        targetPorts: { first: 80, last: 80 },
      },
    ]);
    expect(shown).toEqual(["0.0.0.0 0 80"]);
    expect(host.held.size).toBe(0);
  });

  test("are open to trusted links at the container's address, each once, but for those of the host alone", async () => {
    const wish = { v6: ipv6, generic: option("bridge.trusted_host_interfaces", "eth1") };
    const { rules } = await publish(wish, [
      bind(80, 8080, 3),
      bind(81, 9081, 3),
      tcp(99, 99, "192.0.2.1"),
      tcp(443, 8443, "127.0.0.1"),
      tcp(53, 53, "2001:db8::1"),
    ]);
    const allowed = rules.filter((rule) => rule.kind === "allow");
    expect(
      allowed.map(({ from, target, targetPorts }) => [
        from,
        formatAddress(target),
        formatPortRange(targetPorts),
      ]),
    ).toEqual([
      ["trusted", "172.18.0.2", "80-83"],
      ["trusted", "172.18.0.2", "99"],
      ["trusted", "2001:db8::2", "53"],
    ]);
  });

  test.each(["nat-unprotected", "routed"])(
    "are nothing special to trusted links in mode %s",
    async (mode) => {
      const plain = option("bridge.gateway_mode_ipv4", mode);
      const trusting = { ...plain, ...option("bridge.trusted_host_interfaces", "eth1") };
      const bindings = [tcp(80, 8080)];
      const { rules } = await publish({ generic: trusting }, bindings);
      expect(rules).toEqual((await publish({ generic: plain }, bindings)).rules);
    },
  );

  test("on an internal network are not", async () => {
    const { shown, rules, host } = await publish({ internal: true }, [tcp(80, 8080)]);
    expect([shown, rules, host.held.size]).toEqual([[], [], 0]);
  });

  test("leave IPv6 to another endpoint that is the way out for it", async () => {
    const { shown } = await publish({}, [tcp(80, 8080)], { ipv6Elsewhere: true });
    expect(shown).toEqual(["0.0.0.0 8080 80"]);
  });

  test("are all forwarded in user space too where the operator wants that", async () => {
    const { forwards } = await publish({ settings: { userlandProxy: true } }, [tcp(80, 8080)]);
    expect(forwards).toEqual(["0.0.0.0 8080 172.18.0.2 80", ":: 8080 172.18.0.2 80"]);
  });
});
