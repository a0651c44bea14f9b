// DNS messages on a stream: two bytes of length before each (RFC 1035 §4.2.2).

/** The message as it goes on the wire. At most 65535 bytes. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 2);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}

/** Cuts a stream into messages. Keeps at most one unfinished message. */
export class Unframer {
  #rest: Buffer = Buffer.alloc(0);

  /** True while a message has begun and not ended. */
  get isWithin(): boolean {
    return this.#rest.length > 0;
  }

  /** The messages that `bytes` complete. */
  push(bytes: Buffer): Buffer[] {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const messages: Buffer[] = [];
    let at = 0;
    while (at + 2 <= all.length) {
      const end = at + 2 + all.readUInt16BE(at);
      if (end > all.length) break;
      messages.push(all.subarray(at + 2, end));
      at = end;
    }
    this.#rest = Buffer.from(all.subarray(at));
    return messages;
  }
}
