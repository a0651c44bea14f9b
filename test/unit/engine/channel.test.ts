// A queue between one writer and one reader.

import { expect, test } from "vitest";
import { Channel } from "../../../src/engine/channel.ts";

async function collect<T>(channel: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of channel) items.push(item);
  return items;
}

test("what was pushed before the end is delivered, in order", async () => {
  const channel = new Channel<number>();
  channel.push(1);
  channel.push(2);
  channel.end();
  channel.push(3);
  expect(await collect(channel)).toEqual([1, 2]);
});

test("a reader that waits gets what is pushed later", async () => {
  const channel = new Channel<string>();
  const reading = collect(channel);
  await Promise.resolve();
  channel.push("late");
  channel.end();
  expect(await reading).toEqual(["late"]);
});

test("a failure reaches the reader after what was pushed", async () => {
  const channel = new Channel<number>();
  channel.push(1);
  channel.end(new Error("broken"));
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of channel) seen.push(item);
  })();
  await expect(reading).rejects.toThrow("broken");
  expect(seen).toEqual([1]);
});

test("the weight is what waits to be read", async () => {
  const channel = new Channel<string>((text) => text.length);
  channel.push("four");
  channel.push("six666");
  expect(channel.weight).toBe(10);
  await channel[Symbol.asyncIterator]().next();
  expect(channel.weight).toBe(6);
});

test("a reader that leaves ends the channel", async () => {
  const channel = new Channel<number>();
  let ended = 0;
  channel.onEnd(() => ended++);
  channel.push(1);
  for await (const _ of channel) break;
  expect(channel.ended).toBe(true);
  expect(ended).toBe(1);
});
