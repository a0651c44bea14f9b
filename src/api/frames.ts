// The multiplexed stream: how the output of a process without a terminal travels. An eight-byte head (stream, three zeros,
// size in big-endian) before each piece; see moby's pkg/stdcopy.

import type { OutputChunk, OutputStream } from "../engine/types.ts";
import { type ApiVersion, isBefore } from "./version.ts";

export type FrameStream = OutputStream | "error";

const streamNumbers = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const satisfies Record<
  FrameStream,
  number
>;

/** The head and the piece. */
export function frame(stream: FrameStream, data: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(8 + data.length);
  framed.writeUInt32BE(streamNumbers[stream] * 0x1000000, 0);
  framed.writeUInt32BE(data.length, 4);
  framed.set(data, 8);
  return framed;
}

/** The bytes of a chunk on the wire: as they are from a terminal, framed otherwise. */
export function outputBytes({ stream, data }: OutputChunk, tty: boolean): Uint8Array {
  return tty ? data : frame(stream, data);
}

/** A trouble that ends a stream which has begun. */
export function errorBytes(message: string, tty: boolean): Uint8Array {
  const text = Buffer.from(`${message}\r\n`);
  return tty ? text : frame("error", text);
}

/** The content type of a process's output. */
export function outputContentType(version: ApiVersion, tty: boolean): string {
  const isFramed = !tty && !isBefore(version, 42);
  return isFramed ? "application/vnd.docker.multiplexed-stream" : "application/vnd.docker.raw-stream";
}
