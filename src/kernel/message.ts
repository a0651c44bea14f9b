// Netlink messages and their headers (linux/netlink.h).

/** sizeof(struct nlmsghdr). */
export const headerSize = 16;

/** Flags of nlmsghdr. */
export const nlmFlag = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** NLM_F_ROOT | NLM_F_MATCH, of GET requests. */
  dump: 0x300,
  /** Of NEW requests. */
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  /** Of ACKs: extended acknowledgement attributes follow. */
  ackTlvs: 0x200,
} as const;

/** Message types that every netlink family shares. */
export const nlmType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

/** Rounded up to the 4 bytes that netlink aligns to. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** One message as it was received; `payload` is a view of the received buffer. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Splits received bytes into messages; a malformed rest is an error. */
export function decodeMessages(bytes: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + headerSize <= bytes.length ? bytes.readUInt32LE(at) : 0;
    if (length < headerSize || at + length > bytes.length)
      throw new RangeError(`decode netlink message at byte ${at}: length ${length} of ${bytes.length - at}`);
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + headerSize, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Writes one nlmsghdr for a payload that follows it. */
export function encodeHeader(
  into: Buffer,
  at: number,
  header: { type: number; flags: number; sequence: number; length: number },
): void {
  into.writeUInt32LE(headerSize + header.length, at);
  into.writeUInt16LE(header.type, at + 4);
  into.writeUInt16LE(header.flags, at + 6);
  into.writeUInt32LE(header.sequence, at + 8);
  into.writeUInt32LE(0, at + 12);
}
