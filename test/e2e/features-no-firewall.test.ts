// A daemon that is told to keep its hands off the firewall: no rule of ours, and published ports all the same, by the
// forwarder.

import { afterEach, expect, test } from "vitest";
import "../lab/matchers.ts";
import { useSite } from "./site.ts";

const site = useSite({ flags: ["--iptables=false", "--ip6tables=false", "--userland-proxy=true"] });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);

afterEach(() => daemon().removeAll());

test("without a firewall there is no rule of ours, and published ports are forwarded in user space", async () => {
  const { host, peer } = site();
  await ok("network", "create", "n1");
  await ok("run", "-d", "--name", "web", "--network", "n1", "-p", "8080:80", "busybox", "sleep", "1000");
  const web = await daemon().inside("web");
  try {
    await using _ = await web.listen("0.0.0.0", 80, { reply: "web" });
    const { Gateway } = (await daemon().ask("GET", "/containers/web/json")).NetworkSettings.Networks.n1;
    expect(await host.run("nft", "list", "ruleset")).toBe("");
    // the forwarder is a client of its own
    for (const target of ["192.0.2.1:8080", "[2001:db8::1]:8080"])
      await expect(peer).toReach(target, { answer: `web ${Gateway}` });
    await expect(host).toReach("127.0.0.1:8080", { answer: `web ${Gateway}` });
  } finally {
    await web.close();
  }
  await ok("rm", "-f", "web");
  await expect(peer).not.toReach("192.0.2.1:8080");
});
