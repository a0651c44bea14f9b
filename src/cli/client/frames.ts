// The multiplexed stream of attach, exec and logs: frames of {type, 0, 0, 0, length} and payload. Type 1 is stdout,
// 2 stderr, 0 stdin shown on stdout, 3 an error of the daemon's that ends the stream.

const headerLength = 8;

export interface FrameSinks {
  stdout(data: Buffer): void;
  stderr(data: Buffer): void;
}

/** Takes frames apart however the stream is cut; payloads go on as they come. */
export class FrameDecoder {
  readonly #sinks: FrameSinks;
  #header = Buffer.alloc(0);
  #left = 0;
  #type = 0;
  #errorText = "";

  constructor(sinks: FrameSinks) {
    this.#sinks = sinks;
  }

  /** Throws on an unknown type and when a system error frame is complete. */
  push(data: Buffer): void {
    let rest = data;
    while (rest.length > 0) {
      if (this.#left === 0) {
        rest = this.#readHeader(rest);
        continue;
      }
      const payload = rest.subarray(0, this.#left);
      rest = rest.subarray(payload.length);
      this.#left -= payload.length;
      this.#deliver(payload);
    }
  }

  #readHeader(data: Buffer): Buffer {
    const missing = headerLength - this.#header.length;
    this.#header = Buffer.concat([this.#header, data.subarray(0, missing)]);
    if (this.#header.length < headerLength) return data.subarray(data.length);
    this.#type = this.#header.readUInt8(0);
    this.#left = this.#header.readUInt32BE(4);
    if (this.#type > 3) throw new Error(`unrecognized stream: ${this.#type}`);
    this.#header = Buffer.alloc(0);
    return data.subarray(missing);
  }

  #deliver(payload: Buffer): void {
    if (this.#type === 2) this.#sinks.stderr(payload);
    else if (this.#type !== 3) this.#sinks.stdout(payload);
    else {
      this.#errorText += payload.toString();
      if (this.#left === 0) throw new Error(`error from daemon in stream: ${this.#errorText}`);
    }
  }
}
