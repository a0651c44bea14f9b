// The engine: its operations, grouped by the noun they work on.
//
// Rules that hold for all of them:
// - `ref` is what a person typed: a full id, an unambiguous prefix of one, or a name.
// - They throw EngineError; the kind decides the HTTP status, the message reaches the client as it is.
// - Dates are Dates (Docker's zero date is `undefined`), nanosecond times are bigint, addresses are src/netip values.
// - AbortSignals come last and mean "the client is gone": stop producing. They never undo what is already done.
// - An operation that takes a document (`JsonObject`) or returns one passes Docker's own spelling through.

import type { ClusterOperations } from "./cluster.ts";
import type { ContainerOperations } from "./container-operations.ts";
import type { ExecOperations } from "./exec.ts";
import type { ImageOperations } from "./image.ts";
import type { NetworkOperations } from "./network.ts";
import type { PluginOperations } from "./plugin.ts";
import type { ServiceOperations } from "./service.ts";
import type { SystemOperations } from "./system.ts";
import type { VolumeOperations } from "./volume.ts";

export interface Engine {
  readonly system: SystemOperations;
  readonly containers: ContainerOperations;
  readonly execs: ExecOperations;
  readonly networks: NetworkOperations;
  readonly services: ServiceOperations;
  readonly images: ImageOperations;
  readonly volumes: VolumeOperations;
  readonly cluster: ClusterOperations;
  readonly plugins: PluginOperations;
}
