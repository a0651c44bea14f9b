// A stack of layers read as one tree.

import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { treeAt, treeOfMounts } from "../../../src/runtime/index.ts";
import { overlayLayers } from "../../../src/runtime/rootfs/layers.ts";

let folder: string;
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsdocker-tree-"));
  root = join(folder, "root");
  await mkdir(join(root, "etc"), { recursive: true });
  await mkdir(join(folder, "outside"));
  await writeFile(join(folder, "secret"), "secret");
  await writeFile(join(folder, "outside/passwd"), "secret");
  await writeFile(join(root, "etc/passwd"), "inside");
  await writeFile(join(root, "secret"), "the tree's own");
  await symlink(join(folder, "secret"), join(root, "etc/absolute"));
  await symlink("../../secret", join(root, "etc/relative"));
  await symlink(join(folder, "outside"), join(root, "escape"));
  await symlink("/", join(root, "slash"));
  await symlink("/proc/self/root", join(root, "magic"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("no symbolic link leads out of the tree", async () => {
  const tree = treeAt(root);
  expect(await tree.readText("/etc/absolute")).toBeUndefined();
  expect(await tree.readText("/etc/relative")).toBe("the tree's own");
  expect(await tree.readText("/escape/passwd")).toBeUndefined();
  expect(await tree.readText("../../secret")).toBe("the tree's own");
  expect(await tree.readText("/slash/etc/passwd")).toBe("inside");
  expect(await tree.readText(`/magic${folder}/secret`)).toBeUndefined();
});

test("a bind mount is a tree of one layer", async () => {
  const tree = treeOfMounts([{ type: "bind", source: root, options: ["ro", "rbind"] }], () => false);
  expect(await tree?.readText("/etc/passwd")).toBe("inside");
});

test("other mounts have to be mounted to be read", () => {
  expect(treeOfMounts([], () => false)).toBeUndefined();
  expect(treeOfMounts([{ type: "zfs", source: "pool/x", options: [] }], () => false)).toBeUndefined();
});

test("the layers of an overlay are its upper folder and then its lower ones", () => {
  const options = ["index=off", "workdir=/w", "upperdir=/u", "lowerdir=/l1:/l2"];
  expect(overlayLayers({ type: "overlay", source: "overlay", options })).toEqual(["/u", "/l1", "/l2"]);
  expect(overlayLayers({ type: "overlay", source: "overlay", options: ["lowerdir=/l1:/l2"] })).toEqual([
    "/l1",
    "/l2",
  ]);
});
