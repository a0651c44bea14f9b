// Image names: each points at a descriptor and keeps it from the garbage collector.

import { type Image, Images as ImagesService } from "./gen/images_pb.ts";
import type { Channel } from "./grpc.ts";
import { isAlreadyExists, orAbsent } from "./grpc-error.ts";
import { type Descriptor, fromWireDescriptor, type Labels, toDate, toWireDescriptor } from "./values.ts";

export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface Images {
  get(name: string): Promise<ImageRecord | undefined>;
  list(filters?: readonly string[]): Promise<readonly ImageRecord[]>;
  /** Points `name` at `target`, whether or not the name exists. */
  set(name: string, target: Descriptor, labels?: Labels): Promise<ImageRecord>;
  /** Removes a name; one that is gone is success. `sync` waits for the garbage collection that follows. */
  delete(name: string, options?: { readonly sync?: boolean }): Promise<void>;
}

/** The images of one namespace. */
export function imagesClient(channel: Channel, headers: Readonly<Record<string, string>>): Images {
  const api = channel.service(ImagesService, headers);
  return {
    async get(name) {
      const response = await orAbsent(api.get({ name }));
      return response?.image && toRecord(response.image);
    },
    async list(filters = []) {
      return (await api.list({ filters: [...filters] })).images.map(toRecord);
    },
    async set(name, target, labels = {}) {
      const image = { name, target: toWireDescriptor(target), labels: { ...labels } };
      for (;;) {
        try {
          return toRecord((await api.create({ image })).image);
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
        }
        // undefined: removed between the two
        const updated = await orAbsent(api.update({ image }));
        if (updated) return toRecord(updated.image);
      }
    },
    async delete(name, options = {}) {
      await orAbsent(api.delete({ name, sync: options.sync ?? false }));
    },
  };
}

function toRecord(image: Image | undefined): ImageRecord {
  return {
    name: image?.name ?? "",
    target: fromWireDescriptor(image?.target),
    labels: image?.labels ?? {},
    createdAt: toDate(image?.createdAt),
    updatedAt: toDate(image?.updatedAt),
  };
}
