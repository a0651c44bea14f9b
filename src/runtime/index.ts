// The room's door: containerd, the OCI spec, processes and their streams.

export {
  type Containerd,
  type ContainerdOptions,
  connectContainerd,
  type Plugin,
  probeContainerd,
} from "./containerd.ts";
export type { BlobInfo, Content, IngestStatus, WriteOptions } from "./content.ts";
export type { ContentWriter } from "./content-writer.ts";
export type { Diff } from "./diff.ts";
export { isAlreadyExists, isFailedPrecondition, isNotFound, isUnavailable } from "./grpc-error.ts";
export type { ImageRecord, Images } from "./images.ts";
export type { Lease, LeasedResource, Leases } from "./leases.ts";
export type { SnapshotInfo, SnapshotKind, Snapshots } from "./snapshots.ts";
export type { Descriptor, LabelChanges, Labels, Mount } from "./values.ts";
