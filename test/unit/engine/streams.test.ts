// A container's streams between those who are attached.

import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Streams } from "../../../src/engine/streams.ts";
import type { OutputChunk } from "../../../src/engine/types.ts";

const both = { stdin: false, stdout: true, stderr: true };

async function text(output: AsyncIterable<OutputChunk>): Promise<string> {
  let all = "";
  for await (const { stream, data } of output) all += `${stream}:${Buffer.from(data)};`;
  return all;
}

test("everyone attached gets the streams asked for, and the sink gets all", async () => {
  const seen: string[] = [];
  const streams = new Streams(false, {
    write: ({ stream }) => seen.push(stream),
    end: () => seen.push("end"),
  });
  const all = streams.attach(both);
  const errors = streams.attach({ ...both, stdout: false });
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  streams.connect({ stdout, stderr });
  stdout.write("a");
  stderr.write("b");
  await new Promise((resolve) => setImmediate(resolve));
  streams.end();
  expect(await text(all.output)).toBe("stdout:a;stderr:b;");
  expect(await text(errors.output)).toBe("stderr:b;");
  expect(seen).toEqual(["stdout", "stderr", "end"]);
});

test("what is typed before the process exists reaches it, its end too", async () => {
  const streams = new Streams(false);
  const session = streams.attach({ ...both, stdin: true, onInputEnd: () => streams.endInput() });
  session.input?.end("early");
  await new Promise((resolve) => setImmediate(resolve));
  const stdin = new PassThrough();
  streams.connect({ stdin });
  expect(await stdin.toArray()).toEqual([Buffer.from("early")]);
});

test("a reader that is too slow holds the process back and lets it go on", async () => {
  const streams = new Streams(false);
  const session = streams.attach(both);
  const stdout = new PassThrough({ highWaterMark: 1 << 16 });
  streams.connect({ stdout });
  for (let piece = 0; piece < 40; piece++) stdout.write(Buffer.alloc(1 << 16));
  await new Promise((resolve) => setImmediate(resolve));
  expect(stdout.isPaused()).toBe(true);
  let bytes = 0;
  const reading = (async () => {
    for await (const { data } of session.output) {
      bytes += data.length;
      if (bytes === 40 << 16) streams.end();
    }
  })();
  await reading;
  expect(bytes).toBe(40 << 16);
});

test("who detaches gets no more and is told why", async () => {
  const reasons: string[] = [];
  const streams = new Streams(true);
  const session = streams.attach({ ...both, onDetach: (why) => reasons.push(why) });
  session.detach("keys");
  session.detach("gone");
  expect(await text(session.output)).toBe("");
  expect(reasons).toEqual(["keys"]);
});
