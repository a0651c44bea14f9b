// The wire: Docker's JSON in Docker's spelling. Requests are schemas (with the type they read), answers are types.

export * from "./cluster.ts";
export * from "./container.ts";
export * from "./container-config.ts";
export type { Schema, Static } from "./decode.ts";
export * from "./endpoint.ts";
export * from "./exec.ts";
export * from "./image.ts";
export * from "./network.ts";
export * from "./ports.ts";
export * from "./service.ts";
export * from "./stats.ts";
export * from "./system.ts";
export * from "./volume.ts";
