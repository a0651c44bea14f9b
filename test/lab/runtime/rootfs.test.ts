// Root file systems read without being mounted.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { treeAt, treeOfMounts } from "../../../src/runtime/index.ts";

const run = promisify(execFile);

// Layers with everything that overlayfs treats specially; the kernel's own merged view is the judge.
let folder: string;
const layers = ["top", "middle", "bottom"];

beforeAll(async () => {
  folder = await mkdtemp(`/tmp/tsdocker-rootfs-${process.pid}-`);
  const file = async (path: string, content: string) => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), content);
  };
  await file("bottom/etc/passwd", "bottom");
  await file("bottom/etc/group", "bottom group");
  await file("bottom/etc/hidden", "whited out above");
  await file("bottom/etc/sub/deep", "bottom deep");
  await file("bottom/opaque/old", "hidden by an opaque folder");
  await file("bottom/replaced/file", "hidden by a file");
  await file("bottom/wasfile", "a file below a folder");
  await file("bottom/usr/etc/passwd", "usr");
  await file("middle/etc/group", "middle group");
  await file("middle/etc/sub/other", "middle other");
  await file("middle/replaced", "now a file");
  await file("middle/wasfile/now", "a folder now");
  await file("top/opaque/new", "new");
  await file("top/etc/only-top", "top");
  await run("mknod", [join(folder, "middle/etc/hidden"), "c", "0", "0"]);
  await run("mknod", [join(folder, "top/etc/null"), "c", "1", "3"]);
  await run("mkfifo", [join(folder, "top/etc/fifo")]);
  await symlink("/etc/passwd", join(folder, "top/absolute"));
  await symlink("../../../../../../etc/group", join(folder, "top/climbing"));
  await symlink("usr/etc", join(folder, "middle/linked"));
  await symlink("loop", join(folder, "top/loop"));
  await mkdir(join(folder, "work"));
  await mkdir(join(folder, "upper"));
  await mkdir(join(folder, "merged"));
  await markOpaque(join(folder, "top/opaque"));
  const lower = layers.map((layer) => join(folder, layer)).join(":");
  const options = `lowerdir=${lower},upperdir=${folder}/upper,workdir=${folder}/work`;
  await run("mount", ["-t", "overlay", "overlay", "-o", options, join(folder, "merged")]);
});

afterAll(async () => {
  await run("umount", [join(folder, "merged")]);
  await rm(folder, { recursive: true, force: true });
});

const paths = [
  ..."/etc/passwd /etc/group /etc/hidden /etc/sub/deep /etc/sub/other /etc/only-top /etc/absent".split(" "),
  ..."/opaque/old /opaque/new /replaced /replaced/file /wasfile /wasfile/now /linked/passwd".split(" "),
  ..."/absolute /climbing /loop /etc /etc/../etc/./passwd /../../etc/passwd /etc/passwd/x".split(" "),
];

test("layers read without a mount are what the kernel merges", async () => {
  const merged = treeAt(join(folder, "merged"));
  const unmounted = treeOfMounts([overlay()], (path) => isOpaque(path));
  const read = async (tree: typeof merged | undefined) =>
    Object.fromEntries(await Promise.all(paths.map(async (path) => [path, await tree?.readText(path)])));
  const expected = await read(merged);
  expect(await read(unmounted)).toEqual(expected);
  expect(expected).toMatchObject({
    "/etc/passwd": "bottom",
    "/etc/group": "middle group",
    "/etc/sub/deep": "bottom deep",
    "/opaque/new": "new",
    "/linked/passwd": "usr",
    "/absolute": "bottom",
    "/climbing": "middle group",
  });
  expect(Object.keys(expected).filter((path) => expected[path] === undefined)).toEqual(
    "/etc/hidden /etc/absent /opaque/old /replaced/file /wasfile /loop /etc /etc/passwd/x".split(" "),
  );
});

test("what is no regular file is never opened for reading", async () => {
  const tree = treeAt(join(folder, "merged"));
  expect(await tree.readText("/etc/fifo")).toBeUndefined();
  expect(await tree.readText("/etc/null")).toBeUndefined();
});

test("a file above the limit is not read", async () => {
  const tree = treeAt(join(folder, "merged"));
  expect(await tree.readText("/etc/passwd", 5)).toBeUndefined();
  expect(await tree.readText("/etc/passwd", 6)).toBe("bottom");
});

test("a root that is not there is an error and not an empty tree", async () => {
  await expect(treeAt(join(folder, "nowhere")).readText("/etc/passwd")).rejects.toThrow("ENOENT");
});

function overlay() {
  const lowerdir = layers.map((layer) => join(folder, layer)).join(":");
  return {
    type: "overlay",
    source: "overlay",
    options: [`workdir=${folder}/work`, `upperdir=${folder}/upper`, `lowerdir=${lowerdir}`],
  };
}

const isOpaquePath = new Set<string>();

async function markOpaque(path: string): Promise<void> {
  isOpaquePath.add(path);
  const script = "import os,sys; os.setxattr(sys.argv[1], 'trusted.overlay.opaque', b'y')";
  await run("python3", ["-c", script, path]);
}

async function isOpaque(path: string): Promise<boolean> {
  return isOpaquePath.has(await readlink(path));
}
