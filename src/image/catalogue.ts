// Which images there are, in memory: names, ids, configurations. containerd's image records are the truth; this is read
// from them at start and kept in step, so that resolving an image for a container costs no call.
//
// A record is named by the full reference (`docker.io/library/nginx:latest`, `…@sha256:…`) and targets the manifest of
// one platform. An image without any name is kept by a record that is named by its id, `sha256:…`.

import type { Containerd, Descriptor, ImageRecord } from "../runtime/index.ts";
import { conflict, errorMessage, notFound } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { chainIds, type ImageConfig, type Manifest, parseConfig, parseManifest } from "./oci.ts";
import {
  canonicalName,
  familiarString,
  isDigest,
  parseReference,
  type Reference,
  withDefaultTag,
  withDigest,
} from "./reference.ts";

/** An image in the store. */
export interface StoredImage {
  /** `sha256:…`, the digest of its configuration. */
  readonly id: string;
  readonly manifest: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly config: ImageConfig;
  /** The configuration blob's descriptor. */
  readonly configDescriptor: Descriptor;
  /** Chain ids, bottom first. */
  readonly chain: readonly string[];
}

/** A name of an image. */
export interface ImageName {
  readonly reference: Reference;
  readonly setAt: Date;
}

interface Entry {
  readonly image: StoredImage;
  /** Absent: the record that keeps a nameless image. */
  readonly name?: ImageName;
}

/** Kept by the image store. A name points to one image; an image may have many, or none. */
export class Catalogue {
  readonly #containerd: Containerd;
  readonly #entries = new Map<string, Entry>();
  readonly #byId = new Map<string, Map<string, Entry>>();

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  /** Reads everything from containerd. A record that cannot be read is left alone and logged. */
  async load(log: Log): Promise<void> {
    const records = await this.#containerd.images.list();
    const images = new Map<string, Promise<StoredImage>>();
    const read = (target: Descriptor) => {
      const known = images.get(target.digest) ?? readImage(this.#containerd, target);
      images.set(target.digest, known);
      return known;
    };
    await Promise.all(
      records.map(async (record) => {
        try {
          this.#add(record, await read(record.target));
        } catch (error) {
          log.warn(
            { image: record.name, reason: errorMessage(error) },
            "leave out an image that cannot be read",
          );
        }
      }),
    );
  }

  /** Every image once. */
  images(): readonly StoredImage[] {
    return [...this.#byId.keys()].flatMap((id) => this.get(id) ?? []);
  }

  /** An image by its full id. */
  get(id: string): StoredImage | undefined {
    return this.#byId.get(id)?.values().next().value?.image;
  }

  /** The names of an image, tags and digests, sorted. */
  names(id: string): readonly ImageName[] {
    const entries = [...(this.#byId.get(id)?.values() ?? [])];
    const names = entries.flatMap(({ name }) => name ?? []);
    return names.sort((a, b) => (canonicalName(a.reference) < canonicalName(b.reference) ? -1 : 1));
  }

  /** The image behind a full name. */
  named(reference: Reference): StoredImage | undefined {
    return this.#entries.get(canonicalName(reference))?.image;
  }

  /** Finds an image by name, digest, id or the start of one, as Docker does; throws not-found `No such image: x:latest`. */
  find(text: string): StoredImage {
    return this.lookUp(text).image;
  }

  /** As find, and by which name it was found; none when it was by id. */
  lookUp(text: string): { readonly image: StoredImage; readonly reference?: Reference } {
    if (isDigest(text) || /^[0-9a-f]{64}$/.test(text)) {
      const id = text.includes(":") ? text : `sha256:${text}`;
      const image = this.get(id);
      if (!image) throw notFound(`No such image: ${id}`);
      return { image };
    }
    const parsed = withDefaultTag(parseReference(text.replace(/^sha256:(?=[0-9a-f]+$)/, "")));
    // With both a tag and a digest the digest decides.
    const reference = parsed.digest ? withDigest(parsed, parsed.digest) : parsed;
    const image = this.named(reference);
    if (image) return { image, reference };
    const found = this.#byPrefix(text);
    if (!found) throw notFound(`No such image: ${familiarString(reference)}`);
    return { image: found };
  }

  /** Points a name at an image. An image that loses its last name that way is kept without one. */
  async setName(reference: Reference, image: StoredImage): Promise<void> {
    const name = canonicalName(reference);
    const before = this.#entries.get(name)?.image;
    if (before && before.id !== image.id && this.#byId.get(before.id)?.size === 1) await this.keep(before);
    this.#add(await this.#containerd.images.set(name, image.manifest), image);
    if (this.#entries.has(image.id)) await this.#drop(image.id);
  }

  /** Keeps an image that has no name. */
  async keep(image: StoredImage): Promise<void> {
    if (this.#entries.has(image.id)) return;
    this.#add(await this.#containerd.images.set(image.id, image.manifest), image);
  }

  /** Takes a name away; the image's last name only together with the image, or after `keep`. */
  async dropName(reference: Reference): Promise<void> {
    await this.#drop(canonicalName(reference));
  }

  /** Takes an image away with all its records, and waits until containerd has freed what only it used. */
  async drop(id: string): Promise<void> {
    const names = [...(this.#byId.get(id)?.keys() ?? [])];
    for (const [at, name] of names.entries()) await this.#drop(name, at === names.length - 1);
  }

  #byPrefix(text: string): StoredImage | undefined {
    const hex = text.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const ids = [...this.#byId.keys()].filter((id) => id.startsWith(`sha256:${hex}`));
    if (ids.length > 1) throw conflict(`ambiguous image id prefix: ${text}`);
    return this.get(ids[0] ?? "");
  }

  async #drop(name: string, sync = false): Promise<void> {
    await this.#containerd.images.delete(name, { sync });
    this.#remove(name);
  }

  #add(record: ImageRecord, image: StoredImage): void {
    this.#remove(record.name);
    const { name, updatedAt } = record;
    const isNameless = isDigest(name);
    const entry: Entry = isNameless
      ? { image }
      : { image, name: { reference: parseReference(name), setAt: updatedAt } };
    this.#entries.set(name, entry);
    const records = this.#byId.get(image.id) ?? new Map<string, Entry>();
    this.#byId.set(image.id, records.set(name, entry));
  }

  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    this.#entries.delete(name);
    const records = this.#byId.get(entry.image.id);
    records?.delete(name);
    if (records?.size === 0) this.#byId.delete(entry.image.id);
  }
}

/** Puts an image together from its documents. */
export function storedImage(
  manifestDescriptor: Descriptor,
  manifest: Manifest,
  config: ImageConfig,
): StoredImage {
  return {
    id: manifest.config.digest,
    manifest: manifestDescriptor,
    layers: manifest.layers,
    config,
    configDescriptor: manifest.config,
    chain: chainIds(config.rootfs.diff_ids),
  };
}

async function readImage(containerd: Containerd, target: Descriptor): Promise<StoredImage> {
  const manifest = parseManifest(await containerd.content.readAll(target.digest));
  if (manifest.kind !== "manifest")
    throw notFound(`${target.digest} is an index, not the image of one platform`);
  const config = parseConfig(await containerd.content.readAll(manifest.config.digest));
  return storedImage(target, manifest, config);
}
