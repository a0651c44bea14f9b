// A daemon that ends waits for containers that are on their way.

import { expect, test } from "vitest";
import type { Container } from "../../../src/engine/container.ts";
import type { EngineContext } from "../../../src/engine/parts.ts";
import { stopAll } from "../../../src/engine/restore.ts";
import { KeyedLock } from "../../../src/util/keyed-lock.ts";
import { silentLog } from "../../../src/util/log.ts";

/** An engine with one container, which is being started, or removed, until `settle` is called. */
function engineWithOneUnderWay() {
  const container = { id: "c1", name: "c1", isRunning: false, isRestarting: false, record: { spec: {} } };
  const changes: object[] = [];
  const context = {
    locks: new KeyedLock(),
    registry: {
      all: () => [container as unknown as Container],
      change: async (_: Container, change: object) => void changes.push(change),
    },
    settings: { shutdownTimeoutS: 15 },
    log: silentLog,
  } as unknown as EngineContext;
  const { promise, resolve: settle } = Promise.withResolvers<void>();
  void context.locks.run(container.id, () => promise);
  return { context, changes, settle };
}

test("an end waits for a start that is under way, and leaves a container that did not come up as it was", async () => {
  const { context, changes, settle } = engineWithOneUnderWay();
  const order: string[] = [];
  const ending = stopAll(context).then(() => order.push("ended"));
  await new Promise(setImmediate);
  order.push("settled");
  settle();
  await ending;
  expect(order).toEqual(["settled", "ended"]);
  expect(changes).toEqual([]);
});
