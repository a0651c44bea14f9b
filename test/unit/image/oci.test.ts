// Manifests, configurations and chain ids.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chainIds, digestOf, mediaTypes, parseConfig, parseManifest } from "../../../src/image/oci.ts";

const a = `sha256:${"a".repeat(64)}`;
const b = `sha256:${"b".repeat(64)}`;
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const descriptor = (digest: string) => ({ mediaType: "x", digest, size: 1 });

describe("chain ids", () => {
  it("follow the image specification", () => {
    expect(chainIds([])).toEqual([]);
    expect(chainIds([a])).toEqual([a]);
    const second = digestOf(`${a} ${b}`);
    expect(chainIds([a, b, a])).toEqual([a, second, digestOf(`${second} ${a}`)]);
  });
});

describe("parseManifest", () => {
  it("reads manifests", () => {
    const manifest = parseManifest(
      bytes({ schemaVersion: 2, config: descriptor(a), layers: [descriptor(b)] }),
    );
    expect(manifest).toEqual({ kind: "manifest", config: descriptor(a), layers: [descriptor(b)] });
  });

  it("reads indexes with their platforms", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7", features: [] };
    const index = parseManifest(
      bytes({ mediaType: mediaTypes.ociIndex, manifests: [{ ...descriptor(a), platform }] }),
    );
    expect(index).toMatchObject({
      kind: "index",
      manifests: [{ digest: a, platform: { os: "linux", architecture: "arm", variant: "v7" } }],
    });
  });

  it.each([
    ["schema 1", { schemaVersion: 1, fsLayers: [] }, /schema version 1 are not supported/],
    ["something else", { schemaVersion: 2 }, /neither an index nor an image manifest/],
    ["a bad digest", { config: { digest: "../../etc/passwd", size: 1 }, layers: [] }, /bad digest/],
    ["a bad size", { config: { digest: a, size: -1 }, layers: [] }, /bad size/],
    ["no configuration", { layers: [] }, /a descriptor is not an object/],
    ["a list", [], /not an object/],
  ])("refuses %s", (_name, document, message) => {
    expect(() => parseManifest(bytes(document))).toThrow(message);
  });

  it("throws nothing but invalid whatever it is given", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (input) => {
          for (const parse of [parseManifest, parseConfig])
            try {
              parse(input);
            } catch (error) {
              expect(error).toMatchObject({ kind: "invalid" });
            }
        },
      ),
    );
  });
});

describe("parseConfig", () => {
  const good = { os: "linux", architecture: "amd64", rootfs: { type: "layers", diff_ids: [a] } };

  it("reads a configuration and keeps fields that it does not know", () => {
    expect(parseConfig(bytes({ ...good, moby: 1 }))).toEqual({ ...good, moby: 1 });
  });

  it.each([
    ["layers", { ...good, rootfs: {} }],
    ["good layers", { ...good, rootfs: { diff_ids: ["x"] } }],
    ["an os", { ...good, os: undefined }],
    ["an object as config", { ...good, config: "x" }],
  ])("wants %s", (_name, document) => {
    expect(() => parseConfig(bytes(document))).toThrow(/parse image configuration/);
  });
});
