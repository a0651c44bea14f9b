// Stops of containers that are on their way up.

import { expect, test } from "vitest";
import { Container, type ContainerRecord } from "../../../src/engine/container.ts";
import type { EngineContext } from "../../../src/engine/parts.ts";
import { stopContainer } from "../../../src/engine/stop.ts";
import { Streams } from "../../../src/engine/streams.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";

function change(container: Container, part: Partial<ContainerRecord>): Promise<void> {
  container.record = { ...container.record, ...part };
  return Promise.resolve();
}

test("a stop that comes in the middle of a start counts, also for the restart policy", async () => {
  const record = { id: "c1", name: "c1", spec: { labels: {}, image: "i" } } as unknown as ContainerRecord;
  const container = new Container(record, new Streams(false), undefined);
  const events = { publish: () => undefined };
  const context = { locks: new KeyedLock(), registry: { change }, events } as unknown as EngineContext;

  const ended = Promise.withResolvers<void>();
  const whenKilled: object[] = [];
  const kill = async () => {
    const { stopRequested, record: known } = container;
    whenKilled.push({ stopRequested, stoppedByHand: known.stoppedByHand, willRestart: known.willRestart });
    container.running = undefined;
    ended.resolve();
  };
  const start = Promise.withResolvers<void>();
  const starting = context.locks.run(container.id, async () => {
    await start.promise;
    // as a start does
    container.stopRequested = false;
    container.running = { task: { kill, wait: () => ended.promise } } as unknown as Container["running"];
    await change(container, { stoppedByHand: false, willRestart: false });
  });
  const stopping = stopContainer(context, container, {});
  start.resolve();
  await Promise.all([starting, stopping]);
  expect(whenKilled).toEqual([{ stopRequested: true, stoppedByHand: true, willRestart: false }]);
});
