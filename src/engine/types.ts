// What the engine does and says, as its callers see it: the operations and their values. Pure types.
// src/api parses Docker's text into these values and shows them in Docker's spelling again; src/engine implements them.

export type * from "./types/cluster.ts";
export type * from "./types/container.ts";
export type * from "./types/container-operations.ts";
export type * from "./types/container-view.ts";
export type * from "./types/engine.ts";
export type * from "./types/exec.ts";
export type * from "./types/image.ts";
export type * from "./types/mount.ts";
export type * from "./types/network.ts";
export type * from "./types/plugin.ts";
export type * from "./types/service.ts";
export type * from "./types/stats.ts";
export type * from "./types/stream.ts";
export type * from "./types/system.ts";
export type * from "./types/volume.ts";
