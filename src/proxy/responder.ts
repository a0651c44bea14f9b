// What whoever answers and whoever listens agree on.

export type Transport = "udp" | "tcp";

/** A reply now, later, or none. */
export type Reply = Buffer | undefined | Promise<Buffer | undefined>;
