// The files under /etc that a sandbox writes.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SandboxSpec } from "../../../src/cnm/index.ts";
import { address, defaultBridge, endpointSpec, networkSpec, sandboxSpec } from "../../lab/cnm/specs.ts";
import { createFakeWorld } from "./fakes.ts";

const hostFiles = {
  hosts: "127.0.0.1\tlocalhost\n192.0.2.9\tneighbour\n",
  resolvConf: "nameserver 192.0.2.53\nsearch example.org\n",
  resolvedConf: "",
};

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsdocker-etc-"));
});
afterEach(() => rm(folder, { recursive: true }));

const world = (files = hostFiles) => createFakeWorld({ defaultBridge, hostFiles: files });
const spec = (part: Partial<SandboxSpec>) =>
  sandboxSpec("web", {
    files: { hosts: join(folder, "hosts"), resolvConf: join(folder, "resolv.conf") },
    ...part,
  });
const hosts = () => readFile(join(folder, "hosts"), "utf8");
const resolvConf = () => readFile(join(folder, "resolv.conf"), "utf8");
const lines = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

describe("/etc/hosts", () => {
  test("has the container's addresses, which follow its networks; what a user wrote stays", async () => {
    const { controller } = await world();
    for (const name of ["x1", "x2"]) await controller.createNetwork(networkSpec(name));
    const sandbox = await controller.createSandbox(
      spec({
        hostname: "box",
        domainname: "example.org",
        extraHosts: [{ name: "db", address: address("192.0.2.7") }],
        endpoints: [endpointSpec("x1")],
      }),
    );
    expect(lines(await hosts())).toEqual(
      expect.arrayContaining(["127.0.0.1\tlocalhost", "192.0.2.7\tdb", "172.18.0.2\tbox.example.org box"]),
    );
    await writeFile(join(folder, "hosts"), `${await hosts()}192.0.2.8\tmine\n`);
    await sandbox.connect(endpointSpec("x2"));
    await sandbox.disconnect("x1");
    const now = lines(await hosts());
    expect(now).toContain("172.19.0.2\tbox.example.org box");
    expect(now).toContain("192.0.2.8\tmine");
    expect(now.join()).not.toContain("172.18.0.2");
  });

  test("on the default bridge names linked containers", async () => {
    const { controller } = await world();
    const db = await controller.createSandbox(
      sandboxSpec("db", { containerId: "ab".repeat(32), endpoints: [endpointSpec("bridge")] }),
    );
    const links = [{ container: "db", alias: "store" }];
    await controller.createSandbox(spec({ endpoints: [endpointSpec("bridge", { links })] }));
    expect(lines(await hosts())).toContain("172.17.0.2\tstore abababababab db");
    await db.delete();
  });

  test("in the host's netns is the host's, with what the user added", async () => {
    const { controller } = await world();
    await controller.createSandbox(
      spec({
        netns: "host",
        endpoints: [endpointSpec("host")],
        extraHosts: [{ name: "db", address: address("192.0.2.7") }],
      }),
    );
    expect(await hosts()).toBe(`${hostFiles.hosts}192.0.2.7\tdb\n`);
    expect(await resolvConf()).toBe(hostFiles.resolvConf);
  });
});

describe("/etc/resolv.conf", () => {
  test("is there before the first network, and changes in place with it", async () => {
    const { controller } = await world();
    await controller.createNetwork(networkSpec("x1"));
    const sandbox = await controller.createSandbox(spec({}));
    expect(lines(await resolvConf())).toEqual(["nameserver 192.0.2.53", "search example.org"]);
    await sandbox.connectAll([endpointSpec("x1")]);
    expect(lines(await resolvConf())).toEqual([
      "nameserver 127.0.0.11",
      "search example.org",
      "options ndots:0",
    ]);
  });

  test("names the host's servers on the default bridge and the sandbox's own elsewhere", async () => {
    const { controller, resolvers } = await world();
    const sandbox = await controller.createSandbox(spec({ endpoints: [endpointSpec("bridge")] }));
    expect(lines(await resolvConf())[0]).toBe("nameserver 192.0.2.53");
    await controller.createNetwork(networkSpec("x1"));
    await sandbox.connect(endpointSpec("x1"));
    expect(lines(await resolvConf())[0]).toBe("nameserver 127.0.0.11");
    expect(resolvers.resolvers.get(sandbox.id)?.upstreams).toEqual([
      { address: address("192.0.2.53"), from: "host" },
    ]);
  });

  test("takes what the user asked for, from inside the container", async () => {
    const { controller, resolvers } = await world();
    await controller.createNetwork(networkSpec("x1"));
    const dns = { servers: [address("198.51.100.53")], search: ["."], options: ["timeout:1"] };
    const sandbox = await controller.createSandbox(spec({ dns, endpoints: [endpointSpec("x1")] }));
    expect(lines(await resolvConf())).toEqual(["nameserver 127.0.0.11", "options timeout:1 ndots:0"]);
    expect(resolvers.resolvers.get(sandbox.id)?.upstreams).toEqual([
      { address: address("198.51.100.53"), from: "sandbox" },
    ]);
  });

  test("on the default bridge goes behind systemd-resolved's stub", async () => {
    const { controller } = await world({
      ...hostFiles,
      resolvConf: "nameserver 127.0.0.53\n",
      resolvedConf: "nameserver 203.0.113.53\n",
    });
    await controller.createSandbox(spec({ endpoints: [endpointSpec("bridge")] }));
    expect(lines(await resolvConf())).toEqual(["nameserver 203.0.113.53"]);
  });

  test("that a user edited is left alone while the container runs", async () => {
    const { controller } = await world();
    await controller.createNetwork(networkSpec("x1"));
    const sandbox = await controller.createSandbox(spec({ endpoints: [endpointSpec("bridge")] }));
    await writeFile(join(folder, "resolv.conf"), "nameserver 192.0.2.99\n");
    await sandbox.connect(endpointSpec("x1"));
    expect(await resolvConf()).toBe("nameserver 192.0.2.99\n");
  });
});
