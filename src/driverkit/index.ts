// What drivers share beyond the contract: spans of addresses, how options are read, and the life of endpoints that are
// links on a parent.

export * from "./address-spans.ts";
export * from "./child-driver.ts";
export type { ChildEndpoint, ChildKind, ChildLinkSpec } from "./child-kind.ts";
export * from "./child-options.ts";
export * from "./endpoint-options.ts";
export * from "./module/index.ts";
export * from "./only-network.ts";
export * from "./option-readers.ts";
export * from "./protocol/index.ts";
export * from "./server/index.ts";
export * from "./within.ts";
