// Names in containers, through a real daemon: files under /etc, servers asked, names that come and go with containers.

import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pack } from "tar-stream";
import { afterEach, describe, expect, test } from "vitest";
import { ask } from "../lab/dns/world.ts";
import type { LabHost } from "../lab/lab.ts";
import { containersOn } from "./containers.ts";
import { until } from "./run.ts";
import { useSite } from "./site.ts";

const site = useSite({
  config: {
    dns: ["192.0.2.99"],
    "dns-search": ["daemon.test"],
    "dns-opts": ["attempts:3"],
    "host-gateway-ips": ["192.0.2.1", "2001:db8::1"],
  },
});
const daemon = () => site().daemon;
const { idle } = containersOn(daemon);
const ok = (...args: readonly string[]) => daemon().ok(...args);
const sh = (container: string, script: string) => ok("exec", container, "sh", "-c", script);
const lines = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

afterEach(() => daemon().removeAll());

/** Runs `work` with a process inside a container's netns. */
async function within<T>(container: string, work: (host: LabHost) => Promise<T>): Promise<T> {
  const host = await daemon().inside(container);
  try {
    return await work(host);
  } finally {
    await host.close();
  }
}

const lookUp = (container: string, name: string, type: "A" | "AAAA" | "PTR" = "A") =>
  within(container, (host) => ask(host, 53, { name, type }));

/** A name server on a host, and what it was asked: each name once, since one that is slow to answer is asked again. */
async function sinkOn(host: LabHost, address: string) {
  const script = join(import.meta.dirname, "name-server.mjs");
  const server = host.spawn(process.execPath, [script, address], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(server, "exit");
  let asked = "";
  server.stdout?.on("data", (chunk) => {
    asked += chunk;
  });
  const end = async () => {
    server.kill();
    await ended;
  };
  await until("it listens", () => asked.includes("ready")).catch(async (error) => {
    await end();
    throw error;
  });
  const names = () => [...new Set(lines(asked.replace("ready\n", "")))];
  return { asked: names, [Symbol.asyncDispose]: end };
}

describe("resolv.conf", () => {
  test("has the daemon's settings where the container has none, and the container's where it has", async () => {
    await ok("network", "create", "n");
    await idle("plain", "--network", "n");
    expect(lines(await sh("plain", "cat /etc/resolv.conf"))).toEqual([
      "nameserver 127.0.0.11",
      "search daemon.test",
      "options attempts:3 ndots:0",
    ]);
    await idle(
      "own",
      ...["--network", "n", "--dns", "192.0.2.2", "--dns-search", "."],
      ...["--dns-option", "ndots:2", "--dns-option", "timeout:1"],
    );
    expect(lines(await sh("own", "cat /etc/resolv.conf"))).toEqual([
      "nameserver 127.0.0.11",
      "options ndots:2 timeout:1",
    ]);
    await idle("bridged", "--dns", "192.0.2.2", "--dns-search", "a.test", "--dns-search", "b.test");
    expect(lines(await sh("bridged", "cat /etc/resolv.conf"))).toEqual([
      "nameserver 192.0.2.2",
      "search a.test b.test",
      "options attempts:3",
    ]);
  });

  test("and hosts that a user edited in the container are left alone when networks come and go", async () => {
    for (const name of ["n", "m"]) await ok("network", "create", name);
    await idle("cc", "--network", "n");
    await sh("cc", "echo 'nameserver 192.0.2.53' > /etc/resolv.conf; echo '203.0.113.5 mine' >> /etc/hosts");
    await ok("network", "connect", "m", "cc");
    await ok("network", "disconnect", "n", "cc");
    expect(await sh("cc", "cat /etc/resolv.conf")).toBe("nameserver 192.0.2.53");
    const hosts = await sh("cc", "cat /etc/hosts");
    expect(hosts).toContain("203.0.113.5 mine");
    expect(lines(hosts).filter((line) => /^(10|172|192\.168)\./.test(line))).toHaveLength(1);
  });
});

describe("hosts", () => {
  const flags = ["-h", "box", "--domainname", "example.test"];

  test("has every address of the container, IPv4 and IPv6, and host-gateway of both families", async () => {
    await ok(
      "network",
      "create",
      "--ipv6",
      "--subnet",
      "198.51.100.0/24",
      "--subnet",
      "2001:db8:1::/64",
      "n",
    );
    await idle(
      "cc",
      "--network",
      "n",
      ...flags,
      "--add-host",
      "gw:host-gateway",
      "--add-host",
      "db=203.0.113.9",
    );
    expect(lines(await sh("cc", "cat /etc/hosts"))).toEqual([
      "127.0.0.1\tlocalhost",
      "::1\tlocalhost ip6-localhost ip6-loopback",
      "fe00::\tip6-localnet",
      "ff00::\tip6-mcastprefix",
      "ff02::1\tip6-allnodes",
      "ff02::2\tip6-allrouters",
      "192.0.2.1\tgw",
      "2001:db8::1\tgw",
      "203.0.113.9\tdb",
      "198.51.100.2\tbox.example.test box",
      "2001:db8:1::2\tbox.example.test box",
    ]);
  });

  test("says nothing of IPv6 where the container has none", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    await idle("cc", "--network", "n", "--sysctl", "net.ipv6.conf.all.disable_ipv6=1", ...flags);
    expect(lines(await sh("cc", "cat /etc/hosts"))).toEqual([
      "127.0.0.1\tlocalhost",
      "198.51.100.2\tbox.example.test box",
    ]);
  });
});

describe("name servers", () => {
  test("of a network serve its containers, asked from within them; the container's own come first", async () => {
    const { peer } = site();
    await using sink = await sinkOn(peer, "192.0.2.2");
    await ok("network", "create", "-o", "tsdocker.dns=192.0.2.2", "n");
    await idle("cc", "--network", "n");
    expect(await lookUp("cc", "www.example.test")).toMatchObject({ records: ["203.0.113.99"] });
    await expect.poll(sink.asked).toEqual(["www.example.test"]);
    expect(await sh("cc", "cat /etc/resolv.conf")).toContain("# ExtServers: [192.0.2.2]");
  });

  test("are not asked from an internal network: no type, transport, search list or alias leads out", async () => {
    const { peer } = site();
    await using sink = await sinkOn(peer, "192.0.2.2");
    await ok("network", "create", "--internal", "-o", "tsdocker.dns=192.0.2.2", "closed");
    await ok("network", "create", "open");
    await idle("inner", "--network", "closed", "--dns", "192.0.2.2", "--dns-search", "example.test");
    await idle("both", "--network", "closed", "--network-alias", "mate", "--dns", "192.0.2.2");
    await ok("network", "connect", "open", "both");
    await within("inner", async (host) => {
      for (const name of ["x.example.test", "secret", "x.mate", "both.open", "7.2.0.192.in-addr.arpa"])
        for (const how of [{}, { tcp: true }, { udpSize: 4096 }, { type: "TXT" }, { type: "PTR" }] as const)
          expect(await ask(host, 53, { name, ...how })).toMatchObject({ records: [] });
    });
    await sh("inner", "nslookup secret2 || true; nslookup -type=txt secret3.example.test || true");
    expect(sink.asked()).toEqual([]);
    // the peer with a way out may ask, which shows that the sink hears
    expect(await lookUp("both", "www.example.test")).toMatchObject({ records: ["203.0.113.99"] });
    await expect.poll(sink.asked).toEqual(["www.example.test"]);
  });
});

describe("a container's name", () => {
  test("is there when its start is answered and gone when its end is told", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    await idle("other", "--network", "n");
    const { Id } = await daemon().ask("POST", "/containers/create?name=cc", {
      Image: "busybox",
      Cmd: ["sleep", "1000"],
      HostConfig: { NetworkMode: "n" },
    });
    await within("other", async (host) => {
      const found = async () => (await ask(host, 53, { name: "cc" })).records;
      for (let round = 0; round < 5; round++) {
        expect(await found()).toEqual([]);
        await daemon().ask("POST", `/containers/${Id}/start`);
        expect(await found()).toHaveLength(1);
        const deaths = () =>
          daemon().events.filter(({ Action, Actor }) => Action === "die" && Actor.ID === Id).length;
        const before = deaths();
        await daemon().ask("POST", `/containers/${Id}/kill`);
        await until("it died", () => deaths() > before);
        expect(await found()).toEqual([]);
        await daemon().api("POST", `/containers/${Id}/wait`);
      }
    });
  });

  test("is shared by all with the alias, in turn", async () => {
    await ok("network", "create", "--subnet", "198.51.100.0/24", "n");
    for (const name of ["w1", "w2", "w3"]) await idle(name, "--network", "n", "--network-alias", "web");
    const firsts = new Set<string | undefined>();
    await within("w1", async (host) => {
      for (let at = 0; at < 60; at++) {
        const { records } = await ask(host, 53, { name: "web" });
        expect([...records].sort()).toEqual(["198.51.100.2", "198.51.100.3", "198.51.100.4"]);
        firsts.add(records[0]);
      }
    });
    expect(firsts.size).toBe(3);
  });

  test("is found on a network without IPv4", async () => {
    await ok("network", "create", "--ipv4=false", "--ipv6", "--subnet", "2001:db8:6::/64", "six");
    await idle("cc", "--network", "six");
    await idle("other", "--network", "six");
    expect(await lookUp("other", "cc", "AAAA")).toMatchObject({ records: ["2001:db8:6::2"] });
    expect(await lookUp("other", "cc", "A")).toMatchObject({ rcode: "NOERROR", records: [] });
    const reverse = `${[..."20010db8000600000000000000000002"].reverse().join(".")}.ip6.arpa`;
    const pointer = await lookUp("other", reverse, "PTR");
    expect(pointer).toMatchObject({ records: ["cc.six"] });
    expect(await sh("other", "ping -6 -c 1 cc")).toContain("1 packets received");
  });
});

describe("an image's own files", () => {
  /** A root file system with busybox and these symbolic links. */
  async function importImage(name: string, links: Readonly<Record<string, string>>): Promise<void> {
    const tar = pack();
    for (const folder of ["bin/", "etc/", "proc/", "sys/", "dev/", "tmp/"])
      tar.entry({ name: folder, type: "directory", mode: 0o755 });
    tar.entry({ name: "bin/busybox", mode: 0o755 }, await readFile("/bin/busybox"));
    for (const applet of ["sh", "cat", "ls", "sleep", "nslookup", "readlink", "tee", "true"])
      tar.entry({ name: `bin/${applet}`, type: "symlink", linkname: "busybox" });
    tar.entry({ name: "etc/passwd" }, "root:x:0:0:image:/:/bin/sh\n");
    for (const [path, linkname] of Object.entries(links))
      tar.entry({ name: path, type: "symlink", linkname });
    tar.finalize();
    const parts: Buffer[] = [];
    for await (const part of tar) parts.push(part as Buffer);
    await daemon().ask("POST", `/images/create?fromSrc=-&repo=${name}`, Buffer.concat(parts));
  }

  test("that are symbolic links lead to nothing of the host, to read or to write", async () => {
    const marker = join(daemon().folder, "of-the-host");
    await writeFile(marker, "untouched\n");
    const before = await Promise.all(
      ["/etc/passwd", "/etc/hosts", "/etc/resolv.conf"].map((it) => readFile(it)),
    );
    await ok("network", "create", "n");
    const up = "../".repeat(12);
    const targets = [
      "/etc/passwd",
      `${up}etc/passwd`,
      marker,
      `${up}${marker.slice(1)}`,
      "/nowhere/at/all",
      "../../x",
    ];
    for (const [at, target] of targets.entries()) {
      const image = `linked${at}`;
      await importImage(image, {
        "etc/resolv.conf": target,
        "etc/hosts": `${up}x${at}`,
        "etc/hostname": "/folder/name",
      });
      const script =
        "cat /etc/resolv.conf /etc/hosts; echo mine | tee -a /etc/resolv.conf >> /etc/hosts; true";
      const { stdout, code } = await daemon().docker(
        "run",
        "--rm",
        "--network",
        "n",
        image,
        "/bin/sh",
        "-c",
        script,
      );
      expect([target, code]).toEqual([target, 0]);
      // runc mounts where the link leads to within the image: what is read and written is the container's own
      expect(stdout).toContain("nameserver 127.0.0.11");
      expect(stdout).toContain("127.0.0.1\tlocalhost");
      expect(stdout).not.toContain("untouched");
    }
    await importImage("loop", { "etc/hosts": "/etc/hosts" });
    const loop = await daemon().docker("run", "--rm", "--network", "n", "loop", "/bin/sh", "-c", "true");
    expect(loop).toMatchObject({
      code: 125,
      stderr: expect.stringContaining("too many levels of symbolic links"),
    });
    const after = await Promise.all(
      ["/etc/passwd", "/etc/hosts", "/etc/resolv.conf"].map((it) => readFile(it)),
    );
    expect(after).toEqual(before);
    expect(await readFile(marker, "utf8")).toBe("untouched\n");
  });
});
