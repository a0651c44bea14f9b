// What a real containerd keeps: content, snapshots, leases, names of images.

import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Content } from "../../../src/runtime/index.ts";
import { connectContainerd, isAlreadyExists } from "../../../src/runtime/index.ts";
import { RuntimeLab } from "./fixture.ts";

let lab: RuntimeLab;
let content: Content;
beforeAll(async () => {
  lab = await RuntimeLab.create();
  await lab.containerd.leases.create("content", { expiresInMs: 600_000 });
  content = lab.containerd.withLease("content").content;
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
});

const blob = (size: number) => {
  const data = randomBytes(size);
  return { data, digest: `sha256:${createHash("sha256").update(data).digest("hex")}` };
};

async function* pieces(data: Buffer, size: number) {
  for (let start = 0; start < data.length; start += size) yield data.subarray(start, start + size);
}

test("a blob comes back as it was written, whole and in part", async () => {
  const { data, digest } = blob(3_500_000);
  expect(await content.write("whole", pieces(data, 64_000), { expected: digest, total: data.length })).toBe(
    digest,
  );
  expect((await content.readAll(digest)).equals(data)).toBe(true);
  const part: Uint8Array[] = [];
  for await (const chunk of content.read(digest, { offset: 1000, size: 2_000_000 })) part.push(chunk);
  expect(Buffer.concat(part).equals(data.subarray(1000, 2_001_000))).toBe(true);
  await expect(content.readAll(digest, 1000)).rejects.toMatchObject({ kind: "invalid" });
});

test("a reader that stops early harms nobody", async () => {
  const { data, digest } = blob(3_000_000);
  await content.write("early", [data], { expected: digest });
  for await (const chunk of content.read(digest)) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  expect((await content.info(digest))?.size).toBe(3_000_000);
});

test("an interrupted write goes on where it stopped", async () => {
  const { data, digest } = blob(2_500_000);
  const first = await content.open("resumed", { expected: digest, total: data.length });
  await first?.write(data.subarray(0, 1_700_000));
  await first?.close();
  const second = await content.open("resumed", { expected: digest, total: data.length });
  expect(second?.offset).toBe(1_700_000);
  await second?.write(data.subarray(1_700_000));
  expect(await second?.commit({ labels: { made: "twice" } })).toBe(digest);
  expect((await content.info(digest))?.labels).toEqual({ made: "twice" });
});

test("a restarted write forgets what was there", async () => {
  const { data, digest } = blob(1_200_000);
  const first = await content.open("restarted");
  await first?.write(randomBytes(1_500_000));
  await first?.close();
  expect(await content.write("restarted", [data], { expected: digest })).toBe(digest);
});

test("a blob that is there already needs no writing", async () => {
  const { data, digest } = blob(10);
  await content.write("there", [data], { expected: digest });
  expect(await content.open("there-again", { expected: digest })).toBeUndefined();
  expect(await content.write("there-again", [data], { expected: digest })).toBe(digest);
});

test("a blob of no known digest is held and told by its own, whether it is there already or not", async () => {
  const { data, digest } = blob(100_000);
  const held: string[] = [];
  const hold = async (made: string) => void held.push(made);
  expect(await content.write("unknown", [data], { hold })).toBe(digest);
  expect(await content.write("unknown-again", [data], { hold })).toBe(digest);
  expect(await content.write("known", [data], { expected: digest, hold })).toBe(digest);
  expect(held).toEqual([digest, digest, digest]);
});

test("the wrong digest is refused and the ingest can be thrown away", async () => {
  const { digest } = blob(10);
  await expect(content.write("wrong", [randomBytes(10)], { expected: digest })).rejects.toMatchObject({
    kind: "conflict",
    message: expect.stringContaining("unexpected commit digest"),
  });
  expect((await content.statuses()).map(({ ref }) => ref)).toEqual(["wrong"]);
  await content.abort("wrong");
  await content.abort("wrong");
  expect(await content.status("wrong")).toBeUndefined();
});

test("an aborted write ends with its caller's reason and keeps what was sent", async () => {
  const stop = new AbortController();
  const writer = await content.open("aborted", { signal: stop.signal });
  await writer?.write(randomBytes(100));
  stop.abort();
  await expect(writer?.commit()).rejects.toMatchObject({ kind: "cancelled" });
  await writer?.close();
  const again = await content.open("aborted");
  expect(again?.offset).toBe(0);
  await again?.close();
  await content.abort("aborted");
});

test("an empty blob can be written", async () => {
  const { data, digest } = blob(0);
  expect(await content.write("empty", [data], { expected: digest })).toBe(digest);
  expect((await content.readAll(digest)).length).toBe(0);
});

test("labels change one by one", async () => {
  const { data, digest } = blob(10);
  await content.write("labels", [data], { expected: digest, labels: { a: "1", b: "2" } });
  await content.updateLabels(digest, { "containerd.io/gc.ref.content.0": "x", a: "" });
  expect((await content.info(digest))?.labels).toEqual({ b: "2", "containerd.io/gc.ref.content.0": "x" });
});

test("what is gone is absent, and deleting it again is success", async () => {
  const { data, digest } = blob(10);
  await content.write("gone", [data], { expected: digest });
  await content.delete(digest);
  await content.delete(digest);
  expect(await content.info(digest)).toBeUndefined();
  await expect(content.readAll(digest)).rejects.toMatchObject({ kind: "not-found" });
  const listed: string[] = [];
  for await (const { digest } of content.list()) listed.push(digest);
  expect(listed).not.toContain(digest);
});

test("what a lease holds is listed and freed with it", async () => {
  const { data, digest } = blob(10);
  await lab.containerd.leases.create("short", { labels: { for: "test" } });
  await lab.containerd.withLease("short").content.write("leased", [data], { expected: digest });
  expect(await lab.containerd.leases.resources("short")).toContainEqual({ id: digest, type: "content" });
  await lab.containerd.leases.delete("short", { sync: true });
  await lab.containerd.leases.delete("short");
  expect(await content.info(digest)).toBeUndefined();
});

test("an image's name is set, moved and removed", async () => {
  const { images } = lab.containerd;
  const { data, digest } = blob(10);
  const target = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 10 };
  await content.write("image", [data], { expected: digest });
  expect(await images.get("docker.io/library/x:latest")).toBeUndefined();
  await images.set("docker.io/library/x:latest", target);
  await images.set("docker.io/library/x:latest", { ...target, annotations: { a: "b" } }, { l: "m" });
  expect(await images.get("docker.io/library/x:latest")).toMatchObject({
    target: { ...target, annotations: { a: "b" } },
    labels: { l: "m" },
  });
  expect((await images.list()).map(({ name }) => name)).toEqual(["docker.io/library/x:latest"]);
  await images.delete("docker.io/library/x:latest", { sync: true });
  await images.delete("docker.io/library/x:latest");
});

test("snapshots are made, found and removed", async () => {
  const { snapshots } = lab.containerd;
  const labels = { "containerd.io/gc.root": "test" };
  const mounts = await snapshots.prepare("upper", "busybox", labels);
  expect(mounts[0]?.type).toBe("overlay");
  expect(await snapshots.mounts("upper")).toEqual(mounts);
  await expect(snapshots.prepare("upper", "busybox")).rejects.toSatisfy(isAlreadyExists);
  expect(await snapshots.stat("upper")).toMatchObject({ kind: "active", parent: "busybox", labels });
  expect((await snapshots.usage("upper")).inodes).toBeGreaterThan(0);
  expect(await snapshots.commit("layer", "upper", labels)).toBe(true);
  await snapshots.prepare("upper", "busybox", labels);
  expect(await snapshots.commit("layer", "upper", labels)).toBe(false);
  const names: string[] = [];
  for await (const { name } of snapshots.list()) names.push(name);
  expect(names).toEqual(expect.arrayContaining(["busybox", "layer", "upper"]));
  for (const name of ["upper", "layer", "layer"]) await snapshots.remove(name);
  expect(await snapshots.stat("layer")).toBeUndefined();
});

test("the difference of two trees becomes a layer", async () => {
  const { diff, snapshots, content } = lab.containerd.withLease("content");
  const { out } = await lab.run(["true"]);
  expect(out).toBe("");
  const lower = await snapshots.view("lower", "busybox");
  const upper = await snapshots.prepare("changed", "busybox");
  const layer = await diff.create(lower, upper, {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    ref: "diff",
  });
  expect((await content.info(layer.digest))?.size).toBe(layer.size);
  for (const key of ["lower", "changed"]) await snapshots.remove(key);
});

test("one namespace sees nothing of another", async () => {
  const other = await connectContainerd({ address: lab.supervised.address, namespace: "other" });
  expect(await other.snapshots.stat("busybox")).toBeUndefined();
  other.close();
});

test("nobody at the address is said so", async () => {
  const nobody = connectContainerd({ address: `${lab.folder}/none.sock`, namespace: "x", timeoutMs: 300 });
  await expect(nobody).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining(`connect to containerd at ${lab.folder}/none.sock`),
  });
});
