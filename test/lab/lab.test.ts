// The lab itself: its hosts, its segments, its matchers, and that it leaves nothing behind.

import { expect, test } from "vitest";
import { Lab } from "./lab.ts";
import "./matchers.ts";

test("hosts on one segment reach each other over both families and both protocols", async () => {
  await using lab = await Lab.create();
  const lan = lab.segment("192.0.2.0/24", "2001:db8::/64");
  const [peer, server] = [await lan.host("peer"), await lan.host("server")];
  for (const protocol of ["tcp", "udp"] as const) {
    await using _v4 = await server.listen("0.0.0.0", 80, { protocol });
    await using _v6 = await server.listen("::", 80, { protocol });
    await expect(peer).toReach("192.0.2.2:80", { protocol, answer: "server 192.0.2.1" });
    await expect(peer).toReach("[2001:db8::2]:80", { protocol, answer: "server 2001:db8::1" });
  }
  await expect(peer).not.toReach("192.0.2.2:80");
});

test("hosts on different segments do not", async () => {
  await using lab = await Lab.create();
  const [here, there] = [lab.segment("192.0.2.0/24"), lab.segment("198.51.100.0/24")];
  const [peer, server] = [await here.host("peer"), await there.host("server")];
  await using _ = await server.listen("0.0.0.0", 80);
  await expect(peer).not.toReach("198.51.100.1:80");
});

test("a link that a test leaves in a host is a leak", async () => {
  await using lab = await Lab.create();
  const host = await lab.host("host");
  await host.remember();
  await host.expectUnchanged();
  await host.run("ip", "link", "add", "left", "type", "bridge");
  await expect(host.expectUnchanged(100)).rejects.toThrow(/left/);
});
