// Values that several of containerd's services exchange, as plain readonly types, and their wire forms.

import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type * as wire from "./gen/types_pb.ts";

/** Points at a blob: what it is, its digest (`sha256:…`) and its size in bytes. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A mount as mount(2) takes it, options in fstab's words. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target?: string;
  readonly options: readonly string[];
}

export type Labels = Readonly<Record<string, string>>;

/** Changes to labels: an empty value takes the label away. */
export type LabelChanges = Readonly<Record<string, string>>;

/** As containerd's messages have it. */
export function toWireDescriptor(value: Descriptor) {
  return {
    mediaType: value.mediaType,
    digest: value.digest,
    size: BigInt(value.size),
    annotations: { ...value.annotations },
  };
}

/** An absent one is empty. */
export function fromWireDescriptor(value: wire.Descriptor | undefined): Descriptor {
  const annotations = value?.annotations ?? {};
  return {
    mediaType: value?.mediaType ?? "",
    digest: value?.digest ?? "",
    size: Number(value?.size ?? 0),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  };
}

/** As containerd's messages have it. */
export function toWireMount(value: Mount) {
  return {
    type: value.type,
    source: value.source,
    target: value.target ?? "",
    options: [...value.options],
  };
}

/** An empty target is none. */
export function fromWireMount(value: wire.Mount): Mount {
  return {
    type: value.type,
    source: value.source,
    options: value.options,
    ...(value.target !== "" && { target: value.target }),
  };
}

/** A timestamp as a Date; one that was never set is the epoch. */
export function toDate(value: Timestamp | undefined): Date {
  return value ? timestampDate(value) : new Date(0);
}

/** The field mask for changing labels one by one: containerd reads `labels.<name>` paths. */
export function labelMask(changes: LabelChanges): { paths: string[] } {
  return { paths: Object.keys(changes).map((name) => `labels.${name}`) };
}
