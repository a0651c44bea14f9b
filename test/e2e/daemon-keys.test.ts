// Settings of the daemon that concern all its networks.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { containersOn } from "./containers.ts";
import { run } from "./run.ts";
import { useSite } from "./site.ts";

const folder = mkdtempSync(join(tmpdir(), "keys-"));
const resolvConf = join(folder, "resolv.conf");
const settings = "nameserver 192.0.2.53\nsearch example.test\noptions ndots:3\n";
writeFileSync(resolvConf, settings);
afterAll(() => rmSync(folder, { recursive: true }));

const site = useSite({ flags: ["--allow-direct-routing"], config: { "resolv-conf": resolvConf } });
const daemon = () => site().daemon;
const ok = (...args: readonly string[]) => daemon().ok(...args);
const { greeter, idle } = containersOn(daemon);

afterEach(() => daemon().removeAll());

describe("allow-direct-routing", () => {
  test("opens published ports at containers' own addresses, and no others", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    await greeter(
      "one",
      "--network",
      "n",
      "--ip",
      "198.51.100.9",
      "-p",
      "8080:80",
      "-p",
      "127.0.0.1:8081:81",
    );
    await ok("exec", "-d", "one", "sh", "-c", "while :; do nc -l -p 81 -e echo secret; done");
    await greeter("two", "--network", "n", "--ip", "198.51.100.10");
    await run("nsenter", [
      `--net=${site().peer.netns}`,
      ...["ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.1"],
    ]);
    await expect(site().peer).toReach("198.51.100.9:80", { answer: "one" });
    await expect(site().peer).toReach("192.0.2.1:8080", { answer: "one" });
    await expect(site().peer).not.toReach("198.51.100.9:81");
    await expect(site().peer).not.toReach("198.51.100.10:80");
    await ok("rm", "-f", "one");
    await expect(site().peer).not.toReach("198.51.100.9:80");
  });
});

describe("resolv-conf", () => {
  test("stands for the host's own", async () => {
    await idle("cc");
    const text = await ok("exec", "cc", "cat", "/etc/resolv.conf");
    expect(text).toContain("nameserver 192.0.2.53");
    expect(text).toContain("search example.test");
    expect(text).toContain("ndots:3");
    await ok("network", "create", "n");
    await idle("dd", "--network", "n");
    expect(await ok("exec", "dd", "cat", "/etc/resolv.conf")).toContain("search example.test");
  });

  test("that cannot be read keeps the daemon from starting", async () => {
    await daemon().stop();
    rmSync(resolvConf);
    try {
      await expect(daemon().start()).rejects.toThrow(/resolv-conf: .*no such file or directory/);
    } finally {
      writeFileSync(resolvConf, settings);
    }
    await daemon().start();
  });
});
