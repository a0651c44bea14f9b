// docker pull and push against Debian's docker-registry and a real containerd.

import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Images, ProgressMessage } from "../../../src/image/index.ts";
import { digestOf, mediaTypes } from "../../../src/image/oci.ts";
import { hostPlatform } from "../../../src/image/platform.ts";
import { drain, ImageLab, never, once, type Registry, sampleArchive, tarOf } from "./fixture.ts";

let lab: ImageLab;
let registry: Registry;
let images: Images;
let name: string;
let counter = 0;

beforeAll(async () => {
  lab = await ImageLab.create();
  registry = await lab.registry();
});
afterAll(() => lab?.[Symbol.asyncDispose]());
beforeEach(async () => {
  name = `${registry.host}/lab/x${counter++}`;
  images = await lab.open();
});
afterEach(async () => {
  registry.misbehave = (_request, _response, pass) => pass();
  await lab.clear();
});

const nothing = { snapshots: [], blobs: [], leases: [], records: [] };

/** An image of layers with random content, so that nothing is there already, pushed and forgotten again. */
async function pushed(layers = 3, layerBytes = 300_000): Promise<{ id: string; digest: string }> {
  const tars = await Promise.all(
    Array.from({ length: layers }, (_, at) => tarOf({ [`file${at}`]: randomBytes(layerBytes) })),
  );
  const config = JSON.stringify({
    architecture: hostPlatform().architecture,
    os: "linux",
    config: { Cmd: ["x"] },
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
  });
  const paths = tars.map((_, at) => `layer${at}.tar`);
  const archive = await tarOf({
    ...Object.fromEntries(tars.map((tar, at) => [`layer${at}.tar`, tar])),
    "config.json": config,
    "manifest.json": JSON.stringify([{ Config: "config.json", RepoTags: [`${name}:v1`], Layers: paths }]),
  });
  await drain(images.load(once(archive), { quiet: true }, never));
  const messages = await drain(images.push({ name, tag: "v1" }, never));
  const aux = messages.find((message) => message.aux)?.aux as { Digest: string };
  const { id } = await images.resolve(`${name}:v1`);
  await lab.clear();
  images = await lab.open();
  registry.requests.length = 0;
  return { id, digest: aux.Digest };
}

const pull = (reference = `${name}:v1`, signal = never) => drain(images.pull({ reference }, signal));
const statuses = (messages: readonly ProgressMessage[]) => messages.map(({ status }) => status);

/** Breaks the first so many requests for blobs after `bytes` bytes. */
function breakBlobs(times: number, bytes: number): void {
  let left = times;
  registry.misbehave = (request, _response, pass) => {
    const isBlob = request.method === "GET" && request.url?.includes("/blobs/");
    if (isBlob && left-- > 0) pass(bytes);
    else pass();
  };
}

/** Sends so many bytes of each layer, and then nothing more. */
function stallBlobs(bytes: number): void {
  registry.misbehave = (request, _response, pass) =>
    request.url?.includes("/blobs/") ? pass(bytes, "stall") : pass();
}

const answer = (response: ServerResponse, status: number, code: string, message: string) =>
  response.writeHead(status).end(JSON.stringify({ errors: [{ code, message }] }));

describe("pull", () => {
  it("brings an image in, with Docker's progress", async () => {
    const { id, digest } = await pushed();
    const messages = await pull();
    expect(messages[0]).toEqual({ status: `Pulling from ${name.split("/").slice(1).join("/")}`, id: "v1" });
    expect(messages.at(-2)).toEqual({ status: `Digest: ${digest}` });
    expect(messages.at(-1)).toEqual({ status: `Status: Downloaded newer image for ${name}:v1` });
    for (const status of [
      "Pulling fs layer",
      "Verifying Checksum",
      "Download complete",
      "Extracting",
      "Pull complete",
    ])
      expect(statuses(messages).filter((one) => one === status).length).toBeGreaterThanOrEqual(3);
    const image = await images.inspect(`${name}:v1`);
    expect(image).toMatchObject({ Id: id, RepoTags: [`${name}:v1`], RepoDigests: [`${name}@${digest}`] });
    expect((await lab.holdings()).leases).toEqual([]);
  });

  it("survives containerd's garbage collector with all its parts", async () => {
    const { id } = await pushed();
    await pull();
    const before = await lab.holdings();
    await lab.containerd.leases.create("collect");
    await lab.containerd.leases.delete("collect", { sync: true });
    expect(await lab.holdings()).toEqual(before);
    expect((await (await lab.open()).resolve(`${name}:v1`)).id).toBe(id);
  });

  it("says when all is up to date and asks for the manifest alone", async () => {
    await pushed();
    await pull();
    registry.requests.length = 0;
    const messages = await pull();
    expect(messages.at(-1)).toEqual({ status: `Status: Image is up to date for ${name}:v1` });
    expect(registry.requests.filter((one) => one.includes("/blobs/"))).toEqual([]);
  });

  it("pulls by digest, and finds the image by it", async () => {
    const { id, digest } = await pushed();
    const messages = await pull(`${name}@${digest}`);
    expect(messages.at(-1)?.status).toBe(`Status: Downloaded newer image for ${name}@${digest}`);
    expect(await images.inspect(`${name}@${digest}`)).toMatchObject({ Id: id, RepoTags: [] });
  });

  it("pulls every tag of a bare name", async () => {
    await pushed();
    await pull();
    await images.tag(`${name}:v1`, { repository: name, tag: "v2" });
    await drain(images.push({ name, tag: "" }, never));
    await lab.clear();
    images = await lab.open();
    await pull(name);
    expect((await images.list())[0]?.RepoTags).toEqual([`${name}:v1`, `${name}:v2`]);
  });

  it("shares layers that another image has", async () => {
    await pushed();
    await pull();
    await images.tag(`${name}:v1`, { repository: `${name}copy`, tag: "v1" });
    await drain(images.push({ name: `${name}copy`, tag: "v1" }, never));
    await images.remove(`${name}copy:v1`, { force: false });
    const messages = await pull(`${name}copy:v1`);
    expect(statuses(messages).filter((one) => one === "Already exists")).toHaveLength(3);
  });

  it("goes on where a broken connection stopped", async () => {
    const { id } = await pushed(1, 3_000_000);
    // The configuration is whole within the limit: only the layer breaks.
    breakBlobs(4, 1_500_000);
    const messages = await pull();
    expect(statuses(messages)).toContain("Retrying in 1 second");
    expect(registry.requests.filter((one) => / bytes=\d+-$/.test(one))).not.toEqual([]);
    expect((await images.resolve(`${name}:v1`)).id).toBe(id);
  });

  it("resumes a pull that was aborted, and the abort leaves ingests alone", async () => {
    await pushed(1, 6_000_000);
    stallBlobs(3_500_000);
    const going = new AbortController();
    const pulling = pull(`${name}:v1`, going.signal);
    await expect
      .poll(async () => (await lab.containerd.content.statuses()).some(({ offset }) => offset > 2_000_000))
      .toBe(true);
    going.abort();
    await expect(pulling).rejects.toMatchObject({ kind: "cancelled" });
    registry.misbehave = (_request, _response, pass) => pass();
    expect(await lab.holdings()).toEqual(nothing);
    registry.requests.length = 0;
    await pull();
    const [status] = registry.requests.filter((one) => one.includes("/blobs/") && one.includes("bytes="));
    expect(status).toMatch(/bytes=[1-9]\d*-$/);
  });

  it("stops when its reader leaves", async () => {
    await pushed(3, 3_000_000);
    for await (const { status } of images.pull({ reference: `${name}:v1` }, never))
      if (status === "Downloading") break;
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("brings each blob in once for two pulls at a time", async () => {
    const { id } = await pushed();
    const [first, second] = await Promise.all([pull(), pull()]);
    expect(first.at(-1)?.status).toBe(second.at(-1)?.status);
    const blobs = registry.requests.filter((one) => one.includes("/blobs/"));
    expect(new Set(blobs).size).toBe(blobs.length);
    expect((await images.resolve(`${name}:v1`)).id).toBe(id);
  });

  it("goes on for one of two pulls when the other is aborted", async () => {
    const { id } = await pushed(3, 3_000_000);
    const going = new AbortController();
    const first = (async () => {
      for await (const { status } of images.pull({ reference: `${name}:v1` }, going.signal))
        if (status === "Downloading") going.abort();
    })();
    const [aborted, finished] = await Promise.allSettled([first, pull()]);
    expect(aborted.status).toBe("rejected");
    expect(finished.status).toBe("fulfilled");
    expect((await images.resolve(`${name}:v1`)).id).toBe(id);
    expect((await lab.holdings()).leases).toEqual([]);
  });

  it.each(["corrupt", "more"] as const)(
    "refuses bytes that are not the blob (%s), and leaves nothing",
    async (how) => {
      await pushed(1);
      registry.misbehave = (request, _response, pass) =>
        request.url?.includes("/blobs/") ? pass(10, how) : pass();
      await expect(pull()).rejects.toThrow(/verification failed|more than/);
      expect(await lab.holdings()).toEqual(nothing);
      expect(await lab.containerd.content.statuses()).toEqual([]);
    },
  );

  it("gives up after some attempts and leaves nothing", async () => {
    await pushed(2);
    registry.misbehave = (request, response, pass) => {
      if (request.url?.includes("/blobs/")) response.writeHead(503).end();
      else pass();
    };
    await expect(pull()).rejects.toThrow(/unexpected status 503/);
    expect(await lab.holdings()).toEqual(nothing);
  });

  it("chooses this machine's manifest of an index, and names the index's digest", async () => {
    const { id, digest } = await pushed(1);
    const platform = hostPlatform();
    const other = { os: "linux", architecture: platform.architecture === "s390x" ? "ppc64le" : "s390x" };
    const entry = { mediaType: mediaTypes.ociManifest, digest, size: 0 };
    const head = await fetch(`http://${name.replace("/lab/", "/v2/lab/")}/manifests/${digest}`, {
      headers: { accept: mediaTypes.ociManifest },
    });
    const size = (await head.text()).length;
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [{ ...entry, size, platform }],
    });
    await fetch(`http://${name.replace("/lab/", "/v2/lab/")}/manifests/multi`, {
      method: "PUT",
      headers: { "content-type": mediaTypes.ociIndex },
      body: index,
    });
    await pull(`${name}:multi`);
    const image = await images.inspect(`${name}:multi`);
    expect(image).toMatchObject({ Id: id, RepoDigests: [`${name}@${digestOf(index)}`] });
    const wrong = images.pull({ reference: `${name}:multi`, platform: `linux/${other.architecture}` }, never);
    await expect(drain(wrong)).rejects.toThrow(
      `no matching manifest for linux/${other.architecture} in the manifest list entries`,
    );
  });

  it("moves a tag and keeps the old image by its digest", async () => {
    const first = await pushed(1);
    await pull();
    const old = await lab.open();
    const kept = (await old.inspect(`${name}:v1`)).Id;
    // Push another image to the same tag with a store that knows nothing of the first.
    await lab.clear();
    images = await lab.open();
    const second = await pushed(1);
    expect(second.id).not.toBe(first.id);
    await pull(`${name}@${first.digest}`);
    await images.tag(`${name}@${first.digest}`, { repository: name, tag: "v1" });
    await pull();
    expect((await images.resolve(`${name}:v1`)).id).toBe(second.id);
    expect(await images.inspect(kept)).toMatchObject({
      RepoTags: [],
      RepoDigests: [`${name}@${first.digest}`],
    });
    expect((await images.prune()).deleted).toContainEqual({ Deleted: kept });
  });
});

describe("a registry that says no", () => {
  it("names a tag that is missing", async () => {
    await pushed(1);
    await expect(pull(`${name}:nope`)).rejects.toMatchObject({
      kind: "not-found",
      message: `manifest for ${name}:nope not found: manifest unknown: manifest unknown`,
    });
  });

  it("names a repository that is missing or closed", async () => {
    registry.misbehave = (_request, response) =>
      answer(response, 403, "DENIED", "requested access to the resource is denied");
    await expect(pull()).rejects.toMatchObject({
      kind: "not-found",
      message: `pull access denied for ${name}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`,
    });
  });

  it("says that nobody listens, and where", async () => {
    const reference = "127.0.0.1:1/x:1";
    await expect(pull(reference)).rejects.toThrow(
      'Get "http://127.0.0.1:1/v2/x/manifests/1": dial tcp 127.0.0.1:1: connect: connection refused',
    );
  });

  it("refuses to push what is not there", async () => {
    await expect(drain(images.push({ name, tag: "nope" }, never))).rejects.toThrow(
      `tag does not exist: ${name}:nope`,
    );
  });
});

describe("a registry with passwords", () => {
  const auth = { username: "alice", password: "secret" };

  it("takes the right one for push and pull, and login", async () => {
    const closed = await lab.registry({ hasPasswords: true });
    const busybox = await sampleArchive("busybox");
    await drain(images.load(once(busybox), { quiet: true }, never));
    const reference = `${closed.host}/busybox`;
    await images.tag("busybox", { repository: reference, tag: "latest" });
    const messages = await drain(images.push({ name: reference, tag: "latest", auth }, never));
    expect(messages[0]).toEqual({ status: `The push refers to repository [${reference}]` });
    expect(statuses(messages)).toContain("Pushed");
    const again = await drain(images.push({ name: reference, tag: "latest", auth }, never));
    expect(statuses(again)).toContain("Layer already exists");
    const { id } = await images.resolve("busybox");
    await lab.clear();
    images = await lab.open();
    await drain(images.pull({ reference: `${reference}:latest`, auth }, never));
    expect((await images.resolve(reference)).id).toBe(id);
    const document = await images.distribution(reference, auth, never);
    expect(document.Platforms).toEqual([hostPlatform()]);
    expect(await images.login({ ...auth, serverAddress: closed.host }, never)).toMatchObject({
      status: "Login Succeeded",
    });
    const wrong = { ...auth, password: "guess", serverAddress: closed.host };
    await expect(images.login(wrong, never)).rejects.toMatchObject({ kind: "unauthorized" });
    await expect(
      drain(images.pull({ reference: `${reference}:latest`, auth: wrong }, never)),
    ).rejects.toMatchObject({
      kind: "unauthorized",
      message: "unauthorized: authentication required",
    });
    await expect(drain(images.pull({ reference: `${reference}:latest` }, never))).rejects.toThrow(
      "no basic auth credentials",
    );
    await expect(
      drain(images.push({ name: reference, tag: "latest", auth: wrong }, never)),
    ).rejects.toMatchObject({
      kind: "unauthorized",
    });
  });
});

describe("push", () => {
  it("takes layers from another repository of the registry when that has them", async () => {
    await pushed(2);
    await pull();
    await images.tag(`${name}:v1`, { repository: `${name}mounted`, tag: "v1" });
    const messages = await drain(images.push({ name: `${name}mounted`, tag: "v1" }, never));
    const from = name.split("/").slice(1).join("/");
    expect(statuses(messages).filter((one) => one === `Mounted from ${from}`)).toHaveLength(2);
  });

  it("stops when the registry fails in the middle", async () => {
    await pushed(2);
    await pull();
    await images.tag(`${name}:v1`, { repository: `${name}broken`, tag: "v1" });
    registry.misbehave = (request, response, pass) => {
      if (request.method === "PUT")
        request.resume().once("end", () => answer(response, 500, "UNKNOWN", "disk full"));
      else if (request.method === "POST") {
        request.url = request.url?.replace(/\?.*/, "") ?? "";
        pass();
      } else pass();
    };
    await expect(drain(images.push({ name: `${name}broken`, tag: "v1" }, never))).rejects.toThrow(
      "unknown: disk full",
    );
  });
});

it("reads a large blob without keeping it in memory", async () => {
  // 64 MiB through load, push and pull; the process may not grow by half of that.
  const size = 64 * 1024 * 1024;
  const { digest } = await pushed(1, size);
  global.gc?.();
  const before = process.memoryUsage().arrayBuffers;
  let highest = 0;
  for await (const _ of images.pull({ reference: `${name}@${digest}` }, never))
    highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
  expect(highest).toBeLessThan(size / 2);
});
