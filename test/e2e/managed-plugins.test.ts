// Plugins that a real daemon runs itself, by docker's own command line; the plugin is a C program that stands alone.

import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import "../lab/matchers.ts";
import { everyStep } from "../lab/steps.ts";
import { containersOn } from "./containers.ts";
import { run, until } from "./run.ts";
import { useSite } from "./site.ts";

const config = {
  description: "a tiny network",
  entrypoint: ["/tiny"],
  interface: { types: ["docker.networkdriver/1.0"], socket: "tiny.sock" },
  network: { type: "host" },
  linux: { capabilities: ["CAP_NET_ADMIN"] },
  env: [{ name: "GREETING", settable: ["value"], value: "hello" }],
  args: { name: "words", settable: ["value"], value: [] },
};

const folder = mkdtempSync(join(tmpdir(), "tmp-"));
const registry = "localhost:5055";
const registryConfig = {
  version: 0.1,
  storage: { filesystem: { rootdirectory: join(folder, "registry") } },
  http: { addr: "127.0.0.1:5055" },
};
const hasRegistry = existsSync("/usr/bin/docker-registry");
const hasCompiler = (await run("gcc", ["--version"]).catch(() => ({ code: 1 }))).code === 0;

beforeAll(async () => {
  if (!hasCompiler) return;
  mkdirSync(join(folder, "rootfs"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const source = join(import.meta.dirname, "managed-plugin.c");
  const { code, stderr } = await run("gcc", ["-static", "-O1", "-o", join(folder, "rootfs", "tiny"), source]);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(!hasCompiler)("a managed plugin (needs gcc)", () => {
  const site = useSite();
  const daemon = () => site().daemon;
  const ok = (...args: readonly string[]) => daemon().ok(...args);
  const docker = (...args: readonly string[]) => daemon().docker(...args);
  const { idle } = containersOn(daemon);
  const create = (name: string) => ok("plugin", "create", name, folder);
  const toldOf = (id: string) =>
    daemon()
      .events.filter(({ Type, Actor }) => Type === "plugin" && Actor.ID === id)
      .map(({ Action }) => Action);

  const removePlugins = async () => {
    const ids = (await ok("plugin", "ls", "-q")).split("\n").filter((id) => id !== "");
    await everyStep(...ids.map((id) => () => ok("plugin", "rm", "-f", id)));
  };

  afterEach(() => everyStep(() => daemon().removeAll(), removePlugins));

  test("is created, set, enabled, used by a network, and not let go while it is", async () => {
    await create("vendor/tiny");
    expect(await ok("plugin", "ls", "--format", "{{.Name}} {{.Description}} {{.Enabled}}")).toBe(
      "vendor/tiny:latest a tiny network false",
    );
    const id = await ok("plugin", "inspect", "-f", "{{.Id}}", "vendor/tiny");
    expect(
      await ok("plugin", "inspect", "-f", "{{.PluginReference}} {{.Config.Mounts}}", "vendor/tiny"),
    ).toBe("vendor/tiny:latest []");
    expect((await docker("network", "create", "-d", "vendor/tiny", "n1")).stderr).toContain(
      "plugin vendor/tiny found but disabled",
    );
    expect((await docker("plugin", "disable", "vendor/tiny")).stderr).toContain(
      "plugin is already disabled: plugin vendor/tiny:latest found but disabled",
    );
    await ok("plugin", "set", "vendor/tiny", "GREETING=moin");
    await ok("plugin", "enable", "vendor/tiny");
    expect((await docker("plugin", "enable", "vendor/tiny")).stderr).toContain(
      "plugin already enabled: plugin vendor/tiny:latest is enabled",
    );
    expect(await ok("info", "-f", "{{.Plugins.Network}}")).toContain("vendor/tiny:latest");
    await until("its words are in the log", async () => (await daemon().log()).includes("greeting: moin"));
    await ok("network", "create", "-d", "vendor/tiny", "n1");
    await ok("network", "create", "-d", "vendor/tiny:latest", "n2");
    await idle("c1", "--network", "n1");
    await idle("c2", "--network", "n1");
    expect(await ok("exec", "c1", "ping", "-c", "1", "-W", "10", "c2")).toContain("1 packets received");
    for (const words of [["disable"], ["rm"]])
      expect((await docker("plugin", ...words, "vendor/tiny")).stderr).toContain("is in use by network n1");
    expect((await docker("plugin", "set", "vendor/tiny", "GREETING=x")).stderr).toContain(
      "cannot set on an active plugin",
    );
    await daemon().removeAll();
    await ok("plugin", "disable", "vendor/tiny");
    await ok("plugin", "rm", "vendor/tiny");
    expect((await docker("plugin", "inspect", "vendor/tiny")).stderr).toContain("not found");
    await expect.poll(() => toldOf(id)).toEqual(["create", "enable", "disable", "remove"]);
  });

  test("is back after a crash, and after a restart of the daemon with what waits for it", async () => {
    await create("tiny");
    await ok("plugin", "enable", "tiny");
    await ok("network", "create", "-d", "tiny", "n1");
    expect((await docker("network", "create", "-d", "tiny", "crash-me")).code).toBe(0);
    const restarts = async () => (await daemon().log()).split("is started again").length;
    const before = await restarts();
    await ok("network", "create", "-d", "tiny", "-o", "how=crash-me", "n3").catch(() => undefined);
    await until("it is started again", async () => (await restarts()) > before);
    await ok("network", "create", "-d", "tiny", "n2");
    await idle("c1", "--network", "n1", "--restart", "always", "--stop-timeout", "0");
    await daemon().stop();
    await daemon().start();
    await until("the container runs", async () => (await ok("ps", "-q", "-f", "name=c1")) !== "");
    expect(await ok("plugin", "ls", "-q", "--filter", "enabled=true")).not.toBe("");
  });

  test.skipIf(!hasRegistry)("goes to a registry and comes back (needs docker-registry)", async () => {
    writeFileSync(join(folder, "registry.yml"), JSON.stringify(registryConfig));
    const child = site().host.spawn("docker-registry", ["serve", join(folder, "registry.yml")], {
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    try {
      const name = `${registry}/vendor/tiny:1`;
      await create(name);
      await until("it is pushed", async () => (await docker("plugin", "push", name)).code === 0);
      await ok("plugin", "rm", name);
      const refused = await daemon().api("POST", `/plugins/pull?remote=${name}&name=tiny`, []);
      expect(JSON.stringify(refused.body)).toContain("incorrect privileges");
      await ok("plugin", "install", "--grant-all-permissions", "--alias", "tiny", name, "GREETING=abroad");
      await until("it greets", async () => (await daemon().log()).includes("greeting: abroad"));
      const id = await ok("plugin", "inspect", "-f", "{{.Id}}", "tiny");
      await ok("plugin", "disable", "tiny");
      await ok("plugin", "upgrade", "--grant-all-permissions", "tiny");
      expect(
        await ok("plugin", "inspect", "-f", "{{.Id}} {{.PluginReference}} {{.Settings.Env}}", "tiny"),
      ).toBe(`${id} ${name} [GREETING=abroad]`);
    } finally {
      child.kill();
      await ended;
    }
  });

  test("that does not start is disabled, and says why", async () => {
    await create("tiny");
    await ok("plugin", "set", "tiny", "words=fail");
    const { stderr } = await docker("plugin", "enable", "tiny");
    expect(stderr).toContain("plugin tiny:latest: it ended with 3 before its socket was there: out of order");
    expect(await ok("plugin", "inspect", "-f", "{{.Enabled}}", "tiny")).toBe("false");
  });

  test("goes on without a daemon where containers do", async () => {
    await daemon().stop();
    await daemon().start(["--live-restore"]);
    await create("tiny");
    await ok("plugin", "enable", "tiny");
    await ok("network", "create", "-d", "tiny", "n1");
    await idle("c1", "--network", "n1", "--stop-timeout", "0");
    const greetings = async () => (await daemon().log()).split("greeting: ").length;
    const before = await greetings();
    await daemon().signal("SIGKILL");
    await daemon().start();
    await ok("network", "create", "-d", "tiny", "n2");
    expect(await greetings()).toBe(before);
  });
});
