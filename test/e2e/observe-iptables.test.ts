// A firewall that somebody flushed is repaired, and an event says so.

import { afterEach, expect, test } from "vitest";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite({ flags: ["--firewall-backend=iptables"] });

afterEach(() => site().daemon.removeAll());

test("a repaired firewall is an event of networks", async () => {
  const { daemon, host } = site();
  await daemon.ok("network", "create", "x1");
  const from = daemon.events.length;
  await host.run("iptables", "-F");
  const isTold = () => daemon.events.slice(from).some(({ Action }) => Action === "repair");
  await until("an event of the repair", async () => isTold());
  expect(daemon.events.slice(from).filter(({ Action }) => Action === "repair")).toMatchObject([
    { Type: "network", Actor: { ID: "", Attributes: { backend: "iptables" } } },
  ]);
});
