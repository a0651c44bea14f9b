// Namespaces: made, pinned, entered, removed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import {
  createNetns,
  createVeth,
  deleteNetns,
  deleteNetnsFolder,
  netnsExists,
  netnsIdentity,
  openNetlink,
  pinNetns,
} from "../../../src/kernel/index.ts";
import { leakedFds, Namespaces } from "./namespaces.ts";

const mounts = () => readFile("/proc/self/mounts", "utf8");

describe("a network namespace", () => {
  it("is pinned at its path until it is deleted, which may be asked for twice", async () => {
    await using lab = new Namespaces();
    const path = lab.path("a");
    expect(await netnsExists(path)).toBe(false);
    await createNetns(path);
    expect(await netnsExists(path)).toBe(true);
    await deleteNetns(path);
    expect(await netnsExists(path)).toBe(false);
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
    await deleteNetns(path);
  });

  it("is a new one, with an identity of its own", async () => {
    await using lab = await Namespaces.create("a", "b");
    const own = await netnsIdentity("/proc/self/ns/net");
    const [a, b] = [await netnsIdentity(lab.path("a")), await netnsIdentity(lab.path("b"))];
    expect(new Set([own, a, b]).size).toBe(3);
    await using netlink = await openNetlink(lab.path("a"));
    expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo"]);
  });

  it("leaves the process in its own namespace", async () => {
    const before = await netnsIdentity("/proc/self/ns/net");
    await using _lab = await Namespaces.create("a", "b");
    expect(await netnsIdentity("/proc/self/ns/net")).toBe(before);
  });

  it("is not made where one is already", async () => {
    await using lab = await Namespaces.create("a");
    const identity = await netnsIdentity(lab.path("a"));
    await expect(createNetns(lab.path("a"))).rejects.toMatchObject({
      code: "EEXIST",
      message: `ip netns add ${lab.path("a")}: file exists`,
    });
    expect(await netnsIdentity(lab.path("a"))).toBe(identity);
  });

  it("is pinned again by a process in it, over what an unmount left or nothing at all", async () => {
    await using lab = await Namespaces.create("a");
    const identity = await netnsIdentity(lab.path("a"));
    const inside = spawn("nsenter", [`--net=${lab.path("a")}`, "sleep", "60"]);
    await once(inside, "spawn");
    const { pid = 0 } = inside;
    await expect.poll(() => netnsIdentity(`/proc/${pid}/ns/net`)).toBe(identity);
    await once(spawn("umount", [lab.path("a")]), "exit");
    expect(await netnsExists(lab.path("a"))).toBe(false);
    await pinNetns(lab.path("a"), pid);
    expect(await netnsIdentity(lab.path("a"))).toBe(identity);
    await deleteNetns(lab.path("a"));
    await pinNetns(lab.path("a"), pid);
    expect(await netnsIdentity(lab.path("a"))).toBe(identity);
    inside.kill("SIGKILL");
    await once(inside, "exit");
    expect(await netnsExists(lab.path("a"))).toBe(true);
    await expect(pinNetns(lab.path("b"), pid)).rejects.toMatchObject({ code: "ENOENT" });
    await deleteNetns(lab.path("b"));
  });

  it("takes over the empty file that a crash left behind, which counts as none", async () => {
    await using lab = await Namespaces.create("a");
    await writeFile(lab.path("b"), "");
    expect(await netnsExists(lab.path("b"))).toBe(false);
    await lab.add("b");
    expect(await netnsExists(lab.path("b"))).toBe(true);
  });

  it("is seen from a mount namespace that was made before it", async () => {
    await using lab = await Namespaces.create("first");
    // waits for a line on stdin, then says what it sees
    const script = `echo ready; read line; stat -f -c %T ${lab.path("second")}`;
    const other = spawn("unshare", ["--mount", "--propagation", "unchanged", "sh", "-c", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface(other.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe("ready");
    await lab.add("second");
    other.stdin.end("go\n");
    expect((await lines.next()).value).toBe("nsfs");
    await once(other, "close");
  });

  it("takes its links with it when it goes", async () => {
    await using lab = await Namespaces.create("host", "a");
    await using netlink = await openNetlink(lab.path("host"));
    await netlink.send(createVeth({ name: "v0", peer: { name: "eth0", netns: lab.path("a") } }));
    await deleteNetns(lab.path("a"));
    await expect.poll(() => netlink.link("v0")).toBeUndefined();
  });

  it("comes in numbers, all at once", async () => {
    await using lab = new Namespaces();
    const names = Array.from({ length: 30 }, (_, at) => `n${at}`);
    await Promise.all(names.map((name) => lab.add(name)));
    const identities = await Promise.all(names.map((name) => netnsIdentity(lab.path(name))));
    expect(new Set(identities).size).toBe(30);
  });

  it("leaks no descriptor", async () => {
    const rounds = async () => {
      for (let round = 0; round < 5; round++) {
        await using lab = await Namespaces.create("a", "b");
        await createNetns(lab.path("a")).catch(() => undefined);
      }
    };
    expect(await leakedFds(rounds)).toBe(0);
  });
});

describe("the folder of namespaces", () => {
  it("is a shared mount once, however many namespaces it holds", async () => {
    await using lab = await Namespaces.create("a", "b", "c");
    const info = await readFile("/proc/self/mountinfo", "utf8");
    const lines = info.split("\n").filter((line) => line.includes(` ${lab.folder} `));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/ shared:\d+ /);
  });

  it("goes without a trace, twice over", async () => {
    const lab = await Namespaces.create("a");
    await lab[Symbol.asyncDispose]();
    expect(await mounts()).not.toContain(lab.folder);
    await expect(stat(lab.folder)).rejects.toMatchObject({ code: "ENOENT" });
    await deleteNetnsFolder(lab.folder);
  });

  it("cannot be a file", async () => {
    await using lab = await Namespaces.create("a");
    await writeFile(lab.path("file"), "");
    await expect(createNetns(lab.path("file/x"))).rejects.toMatchObject({
      code: expect.stringMatching(/^E(NOTDIR|EXIST)$/),
    });
    await deleteNetns(lab.path("file"));
  });

  it("is not taken away while it holds something else", async () => {
    const folder = `/run/tsdocker-kernel-test-${process.pid}-kept`;
    await mkdir(`${folder}/sub`, { recursive: true });
    await expect(deleteNetnsFolder(folder)).rejects.toMatchObject({ code: "ENOTEMPTY" });
    await rmdir(`${folder}/sub`);
    await deleteNetnsFolder(folder);
  });
});
