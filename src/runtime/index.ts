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
export type { ExitStatus } from "./exit-status.ts";
export { isAlreadyExists, isFailedPrecondition, isNotFound, isUnavailable } from "./grpc-error.ts";
export type { ImageRecord, Images } from "./images.ts";
export type { Lease, LeasedResource, Leases } from "./leases.ts";
export type { BlockIoEntry, CpuMetrics, MemoryMetrics, TaskMetrics } from "./metrics.ts";
export type * from "./oci.ts";
export {
  type ContainerRecord,
  type ContainerSpec,
  createRuntime,
  type LoadedTask,
  type Runtime,
  type RuntimeOptions,
  type TaskState,
  type TaskStatus,
} from "./runtime.ts";
export type { SnapshotInfo, SnapshotKind, Snapshots } from "./snapshots.ts";
export { startFailureExitCode } from "./start-failure.ts";
export type { MakeFifo, Stdio } from "./stdio.ts";
export {
  type ContainerdExit,
  type SupervisedContainerd,
  type SuperviseOptions,
  superviseContainerd,
} from "./supervise.ts";
export type { ExecProcess, StreamOptions, Task } from "./task.ts";
export type { TaskEvent, TaskExit } from "./task-event.ts";
export { type TaskEvents, watchTasks } from "./task-events.ts";
export type { Descriptor, LabelChanges, Labels, Mount } from "./values.ts";
