// Docker's framing of stdout and stderr on one connection.

import { describe, expect, it } from "vitest";
import { FrameDecoder } from "../../../../src/cli/client/frames.ts";

function frame(type: number, text: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

function decode(bytes: Buffer, size: number): { out: string; err: string } {
  const seen = { out: "", err: "" };
  const decoder = new FrameDecoder({
    stdout: (data) => {
      seen.out += data;
    },
    stderr: (data) => {
      seen.err += data;
    },
  });
  for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
  return seen;
}

describe("a multiplexed stream", () => {
  it("is taken apart however it is cut", () => {
    const bytes = Buffer.concat([frame(1, "one "), frame(2, "bad"), frame(1, ""), frame(0, "two")]);
    for (const size of [1, 3, 8, 11, bytes.length]) {
      expect(decode(bytes, size)).toEqual({ out: "one two", err: "bad" });
    }
  });

  it("ends with the daemon's error", () => {
    expect(() => decode(frame(3, "it broke"), 4)).toThrow("error from daemon in stream: it broke");
  });

  it("refuses a type that is none", () => {
    expect(() => decode(frame(9, "x"), 100)).toThrow("unrecognized stream: 9");
  });
});
