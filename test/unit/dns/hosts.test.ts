// Hosts files: built, and changed around what users wrote.

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  addHostsLines,
  buildHosts,
  editInPlace,
  ownLines,
  removeHostsLines,
  writeGenerated,
} from "../../../src/dns/index.ts";
import { ip } from "./world.ts";

test("a hosts file names loopback, extra hosts and the container's own addresses, in this order", () => {
  const text = buildHosts({
    hostname: "web",
    domainname: "example.com",
    addresses: [ip("172.18.0.2"), ip("2001:db8::2")],
    extraHosts: [
      { name: "db", address: ip("192.0.2.9") },
      { name: "host.docker.internal", address: ip("172.17.0.1") },
    ],
  });
  expect(text).toBe(`127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
fe00::	ip6-localnet
ff00::	ip6-mcastprefix
ff02::1	ip6-allnodes
ff02::2	ip6-allrouters
192.0.2.9	db
172.17.0.1	host.docker.internal
172.18.0.2	web.example.com web
2001:db8::2	web.example.com web
`);
});

test("without IPv6 its names are left out", () => {
  expect(buildHosts({ hostname: "c1", addresses: [], ipv6: false })).toBe("127.0.0.1\tlocalhost\n");
});

test("a hostname with dots also stands alone", () => {
  expect(ownLines({ hostname: "a.b.c", addresses: [ip("192.0.2.1")] })).toEqual(["192.0.2.1\ta.b.c a"]);
  expect(ownLines({ hostname: "a", domainname: "", addresses: [ip("192.0.2.1")] })).toEqual(["192.0.2.1\ta"]);
});

describe("changing a file that a user may have edited", () => {
  const own = ["192.0.2.1\tc1"];

  test("lines are added once, at the end", () => {
    const once = addHostsLines("a\nmine", own);
    expect(once).toBe("a\nmine\n192.0.2.1\tc1\n");
    expect(addHostsLines(once, own)).toBe(once);
    expect(addHostsLines("", own)).toBe("192.0.2.1\tc1\n");
  });

  test("only these lines are removed", () => {
    expect(removeHostsLines("a\n192.0.2.1\tc1\n192.0.2.1\tc1 mine\n", own)).toBe("a\n192.0.2.1\tc1 mine\n");
    expect(removeHostsLines("a\n", own)).toBe("a\n");
  });
});

describe("a file that is mounted somewhere", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "hosts-"));
  });
  afterEach(async () => await rm(folder, { recursive: true }));

  test("is rewritten in place, longer and shorter, and made where it is not there", async () => {
    const path = join(folder, "hosts");
    await editInPlace(path, () => "one\n");
    const { ino } = await stat(path);
    await editInPlace(path, (text) => `${text}two\n`);
    expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
    await editInPlace(path, () => "x\n");
    expect(await readFile(path, "utf8")).toBe("x\n");
    expect((await stat(path)).ino).toBe(ino);
  });

  test("a generated one is written anew until somebody has edited it", async () => {
    const path = join(folder, "resolv.conf");
    expect(await writeGenerated(path, "first\n")).toBe(true);
    const { ino } = await stat(path);
    expect(await writeGenerated(path, "second\n")).toBe(true);
    expect((await stat(path)).ino).toBe(ino);
    await writeFile(path, "mine\n");
    expect(await writeGenerated(path, "third\n")).toBe(false);
    expect(await readFile(path, "utf8")).toBe("mine\n");
  });
});
