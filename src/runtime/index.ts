// The room's door: containerd, the OCI spec, processes and their streams.

export type { ProcessExit } from "../util/watched-process.ts";
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
export { isAlreadyExists, isNotFound, isUnavailable } from "./grpc-error.ts";
export type { ImageRecord, Images } from "./images.ts";
export type { Lease, LeasedResource, Leases } from "./leases.ts";
export { forgetCgroups, sweepCgroups } from "./lost-shims.ts";
export type { BlockIoEntry, CpuMetrics, MemoryMetrics, TaskMetrics } from "./metrics.ts";
export { type CapabilityWish, chooseCapabilities } from "./oci/capabilities.ts";
export { grantDevices } from "./oci/devices.ts";
export { buildExecProcess, type ExecInput } from "./oci/exec.ts";
export { readHostFacts } from "./oci/host-facts.ts";
export { bindMount, tmpfsMount } from "./oci/mounts.ts";
export { toOciResources } from "./oci/resources.ts";
export type * from "./oci/schema.ts";
export { loadSeccompProfile, type SeccompContext, toOciSeccomp } from "./oci/seccomp.ts";
export { gateAsDocker } from "./oci/seccomp-gates.ts";
export { packagedSeccompProfile, parseSeccompProfile, type SeccompProfile } from "./oci/seccomp-profile.ts";
export { buildSpec } from "./oci/spec.ts";
export type * from "./oci/spec-input.ts";
export { treeOfMounts } from "./rootfs/layers.ts";
export { type IsOpaque, type RootfsTree, treeAt } from "./rootfs/tree.ts";
export { type ResolvedUser, resolveUser } from "./rootfs/user.ts";
export { createRuntime } from "./runtime.ts";
export type * from "./runtime-types.ts";
export type { SnapshotInfo, SnapshotKind, Snapshots } from "./snapshots.ts";
export { startFailureExitCode } from "./start-failure.ts";
export type { MakeFifo, Stdio } from "./stdio.ts";
export {
  type Supervised,
  type SuperviseOptions,
  superviseContainerd,
} from "./supervise.ts";
export type { ExecProcess, StreamOptions, Task } from "./task.ts";
export type { TaskEvent, TaskExit } from "./task-event.ts";
export { type TaskEvents, watchTasks } from "./task-events.ts";
export type { TaskState, TaskStatus } from "./task-status.ts";
export type { Descriptor, LabelChanges, Labels, Mount } from "./values.ts";
