// The bytes of netlink. No meaning of any message lives here.
// Host byte order is little-endian on every platform we run on (x86-64, arm64); "be" is network byte order.

export * from "./attributes.ts";
export * from "./encoder.ts";
export * from "./message.ts";
