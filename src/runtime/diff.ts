// Layers: unpacking a blob onto mounts, and packing what two trees differ in.

import { Diff as DiffService } from "./gen/diff_pb.ts";
import type { CallOptions, Channel } from "./grpc.ts";
import {
  type Descriptor,
  fromWireDescriptor,
  type Labels,
  type Mount,
  toWireDescriptor,
  toWireMount,
} from "./values.ts";

export interface Diff {
  /** Unpacks `layer` (plain, gzip or zstd tar by its media type) onto `mounts`; the digest returned is that of the plain tar. */
  apply(layer: Descriptor, mounts: readonly Mount[], options?: CallOptions): Promise<Descriptor>;
  /** Packs what `upper` has more than `lower` into a blob of the content store. */
  create(
    lower: readonly Mount[],
    upper: readonly Mount[],
    options: { readonly mediaType: string; readonly ref: string; readonly labels?: Labels },
  ): Promise<Descriptor>;
}

/** The diff service of one namespace. */
export function diffClient(channel: Channel, headers: Readonly<Record<string, string>>): Diff {
  const api = channel.service(DiffService, headers);
  return {
    async apply(layer, mounts, options = {}) {
      const request = { diff: toWireDescriptor(layer), mounts: mounts.map(toWireMount) };
      return fromWireDescriptor((await api.apply(request, options)).applied);
    },
    async create(lower, upper, { mediaType, ref, labels = {} }) {
      const response = await api.diff({
        left: lower.map(toWireMount),
        right: upper.map(toWireMount),
        mediaType,
        ref,
        labels: { ...labels },
      });
      return fromWireDescriptor(response.diff);
    },
  };
}
