// Progress messages as a stream.

import { describe, expect, it } from "vitest";
import {
  byteProgress,
  type ProgressMessage,
  progressStream,
  shortDigest,
} from "../../../src/image/progress.ts";

const never = new AbortController().signal;
const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("progressStream", () => {
  it("yields everything reported, in order, and ends", async () => {
    const stream = progressStream(never, async (report) => {
      report({ status: "1" });
      await tick();
      report({ status: "2" });
      report({ status: "3" });
    });
    const seen: unknown[] = [];
    for await (const { status } of stream) seen.push(status);
    expect(seen).toEqual(["1", "2", "3"]);
  });

  it("throws what the work throws, after its last report", async () => {
    const stream = progressStream(never, async (report) => {
      report({ status: "1" });
      throw new Error("broken");
    });
    expect((await stream.next()).value).toEqual({ status: "1" });
    await expect(stream.next()).rejects.toThrow("broken");
  });

  it("aborts the work when its reader leaves, and waits for it", async () => {
    const events: string[] = [];
    const stream = progressStream(never, async (report, signal) => {
      report({ status: "1" });
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      events.push("aborted");
      await tick();
      events.push("cleaned up");
    });
    for await (const _ of stream) break;
    expect(events).toEqual(["aborted", "cleaned up"]);
  });

  it("hands the caller's abort on", async () => {
    const going = new AbortController();
    const stream = progressStream(going.signal, async (_report, signal) => {
      going.abort(new Error("enough"));
      signal.throwIfAborted();
    });
    await expect(stream.next()).rejects.toThrow("enough");
  });
});

describe("byteProgress", () => {
  it("reports at most once per interval, and always the end", () => {
    const seen: ProgressMessage[] = [];
    let now = 0;
    const line = { id: "x", status: "Downloading", total: 100 };
    const progress = byteProgress((message) => seen.push(message), line, { intervalMs: 10, now: () => now });
    for (const [at, bytes] of [
      [0, 1],
      [5, 2],
      [9, 3],
      [10, 4],
      [11, 100],
    ] as const) {
      now = at;
      progress(bytes);
    }
    expect(seen.map(({ progressDetail }) => progressDetail?.current)).toEqual([1, 4, 100]);
    expect(seen[0]).toEqual({ status: "Downloading", id: "x", progressDetail: { current: 1, total: 100 } });
  });
});

it("shortens digests to twelve digits", () => {
  expect(shortDigest(`sha256:${"ab".repeat(32)}`)).toBe("abababababab");
});
