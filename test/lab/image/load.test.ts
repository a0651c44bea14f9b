// docker load, save, import, and what the store says about images, against a real containerd.

import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../../src/image/oci.ts";
import { drain, ImageLab, never, once, sampleArchive, tarOf } from "./fixture.ts";

let lab: ImageLab;
let busybox: Buffer;

beforeAll(async () => {
  lab = await ImageLab.create();
  busybox = await sampleArchive("busybox");
});
afterAll(() => lab?.[Symbol.asyncDispose]());
afterEach(() => lab.clear());

const nothing = { snapshots: [], blobs: [], leases: [], records: [] };
const quiet = { quiet: true };

async function loaded() {
  const images = await lab.open();
  await drain(images.load(once(busybox), quiet, never));
  return images;
}

describe("load", () => {
  it("loads an OCI archive, names it and says so", async () => {
    const images = await lab.open();
    const messages = await drain(images.load(once(busybox), quiet, never));
    expect(messages).toEqual([{ stream: "Loaded image: busybox:latest\n" }]);
    const image = await images.resolve("busybox");
    expect(image.config).toMatchObject({ Cmd: ["sh"] });
    expect((await lab.containerd.snapshots.stat(image.chainId))?.kind).toBe("committed");
    expect((await lab.holdings()).leases).toEqual([]);
  });

  it("shows layers on their way when not quiet", async () => {
    const images = await lab.open();
    const messages = await drain(images.load(once(busybox), { quiet: false }, never));
    expect(messages.map(({ status }) => status)).toContain("Loading layer");
  });

  it("reads gzip and zstd archives", async () => {
    for (const packed of [gzipSync(busybox, { level: 1 }), zstdCompressSync(busybox)]) {
      const images = await lab.open();
      const messages = await drain(images.load(once(packed), quiet, never));
      expect(messages).toEqual([{ stream: "Loaded image: busybox:latest\n" }]);
      await lab.clear();
    }
  });

  it("reads a classic docker archive with plain layers, shared ones as links", async () => {
    const layer = await tarOf({ "hello.txt": "hello" });
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["hello"] },
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const name = digestOf(config).slice(7);
    const archive = await tarOf({
      "aaaa/layer.tar": layer,
      [`${name}.json`]: config,
      "manifest.json": JSON.stringify([
        { Config: `${name}.json`, RepoTags: ["a:1", "b:2"], Layers: ["aaaa/layer.tar"] },
      ]),
    });
    const images = await lab.open();
    const messages = await drain(images.load(once(archive), quiet, never));
    expect(messages.map(({ stream }) => stream)).toEqual(["Loaded image: a:1\n", "Loaded image: b:2\n"]);
    expect((await images.inspect("a:1")).Id).toBe(digestOf(config));
    expect((await images.inspect("b:2")).RepoTags).toEqual(["a:1", "b:2"]);
  });

  it("keeps an image without a name and says its id", async () => {
    const layer = await tarOf({ "hello.txt": "hello" });
    const diffId = digestOf(layer);
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [diffId] },
    });
    const manifest = [{ Config: "c.json", RepoTags: null, Layers: ["l.tar"] }];
    const archive = await tarOf({
      "l.tar": layer,
      "c.json": config,
      "manifest.json": JSON.stringify(manifest),
    });
    const images = await lab.open();
    const messages = await drain(images.load(once(archive), quiet, never));
    expect(messages).toEqual([{ stream: `Loaded image ID: ${digestOf(config)}\n` }]);
    expect(await images.list(new Map([["dangling", ["true"]]]))).toHaveLength(1);
    const again = await lab.open();
    expect((await again.inspect(digestOf(config))).RepoTags).toEqual([]);
  });

  it("tells when a name moves, and keeps the image that had it", async () => {
    const images = await loaded();
    const before = (await images.resolve("busybox")).id;
    const layer = await tarOf({ "hello.txt": "hello" });
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
    });
    const manifest = [{ Config: "c.json", RepoTags: ["busybox:latest"], Layers: ["l.tar"] }];
    const archive = await tarOf({
      "l.tar": layer,
      "c.json": config,
      "manifest.json": JSON.stringify(manifest),
    });
    const messages = await drain(images.load(once(archive), quiet, never));
    expect(messages[0]?.stream).toBe(
      `The image busybox:latest already exists, renaming the old one with ID ${before} to empty string\n`,
    );
    expect((await images.inspect(before)).RepoTags).toEqual([]);
    expect((await (await lab.open()).inspect(before)).RepoTags).toEqual([]);
  });

  it.each([
    ["noise", Buffer.alloc(4096, 7)],
    ["nothing", Buffer.alloc(0)],
  ])("refuses %s and leaves nothing", async (_name, bytes) => {
    const images = await lab.open();
    await expect(drain(images.load(once(bytes), quiet, never))).rejects.toMatchObject({ kind: "invalid" });
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("leaves the stream of a refused archive open, since its sender waits for an answer", async () => {
    const images = await lab.open();
    for (const bytes of [Buffer.alloc(1 << 20, 7), Buffer.from("BZh9".padEnd(1 << 20))]) {
      const source = new PassThrough();
      source.write(bytes);
      await expect(drain(images.load(source, quiet, never))).rejects.toMatchObject({ kind: "invalid" });
      expect(source.destroyed).toBe(false);
    }
  });

  it("stops when its caller goes while the sender is silent", async () => {
    const images = await lab.open();
    for (const bytes of [busybox.subarray(0, 300_000), gzipSync(busybox).subarray(0, 100_000)]) {
      const going = new AbortController();
      const source = new PassThrough();
      source.write(bytes);
      const loading = drain(images.load(source, quiet, going.signal));
      await expect.poll(() => source.readableLength).toBe(0);
      going.abort();
      await expect(loading).rejects.toMatchObject({ kind: "cancelled" });
    }
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("refuses a truncated archive and leaves nothing", async () => {
    const images = await lab.open();
    const half = busybox.subarray(0, Math.floor(busybox.length / 2));
    await expect(drain(images.load(once(half), quiet, never))).rejects.toMatchObject({ kind: "invalid" });
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("refuses a blob that is not what its name says and leaves nothing", async () => {
    const name = `blobs/sha256/${"0".repeat(64)}`;
    const images = await lab.open();
    const archive = await tarOf({ [name]: "wrong", "index.json": "{}" });
    await expect(drain(images.load(once(archive), quiet, never))).rejects.toMatchObject({ kind: "invalid" });
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("refuses a layer that does not unpack to its diff id and leaves nothing", async () => {
    const layer = await tarOf({ "hello.txt": "hello" });
    const wrong = digestOf("something else");
    const config = JSON.stringify({
      architecture: "amd64",
      os: "linux",
      rootfs: { type: "layers", diff_ids: [wrong] },
    });
    const manifest = [{ Config: "c.json", RepoTags: ["a:1"], Layers: ["l.tar"] }];
    const archive = await tarOf({
      "l.tar": layer,
      "c.json": config,
      "manifest.json": JSON.stringify(manifest),
    });
    const images = await lab.open();
    await expect(drain(images.load(once(archive), quiet, never))).rejects.toThrow(/wrong diff id/);
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("stops when its caller goes and leaves nothing", async () => {
    const images = await lab.open();
    const going = new AbortController();
    async function* slowly() {
      yield busybox.subarray(0, 100_000);
      going.abort();
      yield busybox.subarray(100_000);
    }
    await expect(drain(images.load(slowly(), quiet, going.signal))).rejects.toMatchObject({
      kind: "cancelled",
    });
    expect(await lab.holdings()).toEqual(nothing);
  });
});

describe("save", () => {
  it("writes an archive that loads to the same image", async () => {
    const images = await loaded();
    await images.tag("busybox", { repository: "localhost:5000/b", tag: "v1" });
    const { id } = await images.resolve("busybox");
    const archive = await buffer(await images.save(["busybox", "localhost:5000/b:v1"], never));
    await lab.clear();
    const again = await lab.open();
    const messages = await drain(again.load(once(archive), quiet, never));
    expect(messages.map(({ stream }) => stream)).toEqual([
      "Loaded image: busybox:latest\n",
      "Loaded image: localhost:5000/b:v1\n",
    ]);
    expect((await again.resolve("localhost:5000/b:v1")).id).toBe(id);
    expect((await lab.holdings()).leases).toEqual([]);
  });

  it("saves by id without a name", async () => {
    const images = await loaded();
    const { id } = await images.resolve("busybox");
    const archive = await buffer(await images.save([id.slice(7, 19)], never));
    await lab.clear();
    const messages = await drain((await lab.open()).load(once(archive), quiet, never));
    expect(messages).toEqual([{ stream: `Loaded image ID: ${id}\n` }]);
  });

  it("refuses an unknown name before the first byte", async () => {
    const images = await lab.open();
    await expect(images.save(["nope"], never)).rejects.toThrow("No such image: nope:latest");
  });

  it("lets go of its lease when the reader goes early", async () => {
    const images = await loaded();
    const stream = await images.save(["busybox"], never);
    for await (const _chunk of stream) break;
    await expect.poll(async () => (await lab.holdings()).leases).toEqual([]);
  });
});

describe("import", () => {
  it.each([
    ["plain", (tar: Buffer) => tar],
    ["gzip", (tar: Buffer) => gzipSync(tar)],
    ["zstd", (tar: Buffer) => zstdCompressSync(tar)],
  ])("makes an image of one layer from a %s tar", async (_name, pack) => {
    const images = await lab.open();
    const tar = await tarOf({ "etc/motd": "hi" });
    const messages = await drain(
      images.import(
        {
          source: once(pack(tar)),
          repository: "mine",
          tag: "",
          message: "made by hand",
          changes: ['CMD ["cat","/etc/motd"]', "ENV A=1"],
        },
        never,
      ),
    );
    const image = await images.inspect("mine");
    expect(messages).toEqual([{ status: image.Id }]);
    expect(image.Comment).toBe("made by hand");
    expect(image.Config).toMatchObject({ Cmd: ["cat", "/etc/motd"], Env: ["A=1"] });
    expect(image.RootFS.Layers).toEqual([digestOf(tar)]);
    expect((await lab.holdings()).leases).toEqual([]);
  });

  it("makes another image of a tar that is there already, also side by side", async () => {
    const images = await lab.open();
    const tar = await tarOf({ "etc/motd": "hi" });
    const importAs = (repository: string) =>
      drain(images.import({ source: once(tar), repository, tag: "", message: "", changes: [] }, never));
    await importAs("first");
    await Promise.all([importAs("second"), importAs("third")]);
    const layers = ["first", "second", "third"].map(
      async (name) => (await images.inspect(name)).RootFS.Layers,
    );
    expect(await Promise.all(layers)).toEqual([[digestOf(tar)], [digestOf(tar)], [digestOf(tar)]]);
  });

  it("refuses a bad instruction before reading", async () => {
    const images = await lab.open();
    const request = {
      source: once(Buffer.alloc(0)),
      repository: "",
      tag: "",
      message: "",
      changes: ["RUN true"],
    };
    await expect(drain(images.import(request, never))).rejects.toThrow("run is not a valid change command");
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("refuses what is no tar and leaves nothing", async () => {
    const images = await lab.open();
    const request = {
      source: once(Buffer.alloc(2048, 9)),
      repository: "x",
      tag: "",
      message: "",
      changes: [],
    };
    await expect(drain(images.import(request, never))).rejects.toThrow();
    expect(await lab.holdings()).toEqual(nothing);
  });
});

describe("the store", () => {
  it("lists, inspects and tells history", async () => {
    const images = await loaded();
    const [summary] = await images.list();
    expect(summary).toMatchObject({
      RepoTags: ["busybox:latest"],
      RepoDigests: [],
      ParentId: "",
      SharedSize: -1,
    });
    expect(summary?.Size).toBeGreaterThan(1_000_000);
    const document = await images.inspect("busybox");
    expect(document).toMatchObject({
      Os: "linux",
      RootFS: { Type: "layers" },
      GraphDriver: { Name: "overlayfs" },
    });
    expect(document.Size).toBe(summary?.Size);
    const history = await images.history("busybox");
    expect(history[0]).toMatchObject({ Id: document.Id, Tags: ["busybox:latest"], Size: 0 });
    expect(history[1]).toMatchObject({ Id: "<missing>", Size: document.Size });
  });

  it("finds an image by name, tag, id and short id, also after a restart", async () => {
    const first = await loaded();
    const { id } = await first.resolve("busybox");
    const images = await lab.open();
    for (const name of [
      "busybox",
      "busybox:latest",
      "docker.io/library/busybox",
      id,
      id.slice(7),
      id.slice(7, 19),
    ])
      expect((await images.resolve(name)).id).toBe(id);
    await expect(images.resolve("busybox:1")).rejects.toThrow("No such image: busybox:1");
    await expect(images.resolve("UPPER")).rejects.toThrow("must be lowercase");
  });

  it("removes a tag first and the image with its last name", async () => {
    const images = await loaded();
    await images.tag("busybox", { repository: "other", tag: "1" });
    const { id, chainId } = await images.resolve("busybox");
    expect(await images.remove("other:1", { force: false })).toEqual([{ Untagged: "other:1" }]);
    const records = await images.remove("busybox", { force: false });
    expect(records).toEqual([{ Untagged: "busybox:latest" }, { Deleted: id }, { Deleted: chainId }]);
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("does not delete by id what several repositories name, unless forced", async () => {
    const images = await loaded();
    await images.tag("busybox", { repository: "other", tag: "1" });
    const { id } = await images.resolve("busybox");
    await expect(images.remove(id, { force: false })).rejects.toThrow(
      `conflict: unable to delete ${id.slice(7, 19)} (must be forced) - image is referenced in multiple repositories`,
    );
    expect(await images.remove(id, { force: true })).toContainEqual({ Untagged: "other:1" });
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("keeps what a container uses", async () => {
    const containerId = "c".repeat(64);
    let isRunning = true;
    const images = await lab.open({ usersOf: () => [{ containerId, isRunning }] });
    await drain(images.load(once(busybox), quiet, never));
    const { id } = await images.resolve("busybox");
    const short = id.slice(7, 19);
    await expect(images.remove("busybox", { force: false })).rejects.toMatchObject({
      kind: "conflict",
      message: `conflict: unable to remove repository reference "busybox" (must force) - container ${"c".repeat(12)} is using its referenced image ${short}`,
    });
    await expect(images.remove(id, { force: true })).rejects.toThrow(
      `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${"c".repeat(12)}`,
    );
    isRunning = false;
    await expect(images.remove(id, { force: false })).rejects.toThrow(
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${"c".repeat(12)}`,
    );
    isRunning = true;
    expect(await images.remove("busybox", { force: true })).toEqual([{ Untagged: "busybox:latest" }]);
    expect((await images.inspect(id)).RepoTags).toEqual([]);
    expect(await images.prune(new Map([["dangling", ["false"]]]))).toEqual({
      deleted: [],
      reclaimedBytes: 0,
    });
  });

  it("prunes nothing that a container has begun to use", async () => {
    const containerId = "c".repeat(64);
    let asked = 0;
    const images = await lab.open({
      usersOf: () => (asked++ > 0 ? [{ containerId, isRunning: false }] : []),
    });
    await drain(images.load(once(busybox), quiet, never));
    expect((await images.prune(new Map([["dangling", ["false"]]]))).deleted).toEqual([]);
    expect(asked).toBe(2);
  });

  it("prunes the nameless, and all when told so", async () => {
    const images = await loaded();
    expect((await images.prune()).deleted).toEqual([]);
    const { deleted, reclaimedBytes } = await images.prune(new Map([["dangling", ["false"]]]));
    expect(deleted).toContainEqual({ Untagged: "busybox:latest" });
    expect(reclaimedBytes).toBeGreaterThan(1_000_000);
    expect(await lab.holdings()).toEqual(nothing);
  });
});
