// Pure values of IP: addresses, prefixes, MACs, ports.

export * from "./address.ts";
export * from "./link-name.ts";
export * from "./mac.ts";
export * from "./port.ts";
export * from "./port-spans.ts";
export * from "./prefix.ts";
