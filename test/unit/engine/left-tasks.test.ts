// What a daemon that was killed left with containerd: a fake of it is slow, refuses, and finishes late.

import { describe, expect, test } from "vitest";
import type { Container, ContainerRecord } from "../../../src/engine/container.ts";
import { clearLeftTasks, sweepLateSnapshots, sweepSnapshots } from "../../../src/engine/left-tasks.ts";
import type { EngineContext } from "../../../src/engine/parts.ts";
import { Registry } from "../../../src/engine/registry.ts";
import type { Collection } from "../../../src/store/index.ts";
import { silentLog } from "../../../src/util/log.ts";

const a = "a".repeat(64);
const b = "b".repeat(64);

type Left = Parameters<typeof clearLeftTasks>[0] & Pick<EngineContext, "isShuttingDown">;

interface World {
  readonly tasks: Set<string>;
  readonly snapshots: Set<string>;
  readonly said: string[];
  /** How often a task's deletion fails still. */
  refusals: number;
}

/** An engine that knows container `a`, and a containerd with tasks and snapshots of `a` and `b`. */
function leftWorld(refusals = 0): { world: World; context: Left } {
  const world: World = { tasks: new Set([a, b]), snapshots: new Set([a, b]), said: [], refusals };
  const records = new Map([[a, { id: a, name: "known" } as ContainerRecord]]);
  const registry = new Registry(records as unknown as Collection<ContainerRecord>);
  registry.restore({ id: a, name: "known" } as Container);
  const context = {
    registry,
    runtime: runtimeOf(world),
    containerd: { snapshots: snapshotsOf(world) },
    leftExits: new Map(),
    log: silentLog,
    isShuttingDown: () => false,
  };
  return { world, context: context as unknown as Left };
}

function runtimeOf({ tasks, said, ...world }: World) {
  const deleteTask = async (id: string) => {
    if (world.refusals-- > 0) throw new Error("device or resource busy");
    tasks.delete(id);
  };
  const task = (id: string) => ({
    kill: async () => undefined,
    wait: async () => ({ code: 7, at: new Date(0) }),
    delete: () => deleteTask(id),
    stdio: { close: async () => void said.push("close") },
  });
  return {
    list: async () => [...tasks].map((id) => ({ id })),
    load: async (id: string) =>
      tasks.has(id) ? { task: task(id), status: { state: "running" } } : undefined,
    delete: async () => undefined,
    abandonTask: async (id: string) => {
      said.push("abandon");
      tasks.delete(id);
    },
    sweepShims: async () => [],
  };
}

function snapshotsOf({ snapshots }: World) {
  return {
    async *list() {
      for (const name of snapshots) yield { name, kind: name.startsWith("sha256") ? "committed" : "active" };
    },
    remove: async (key: string) => void snapshots.delete(key),
  };
}

describe("tasks that a killed daemon left", () => {
  test("are ended, their exit codes kept, and what no container has goes with its snapshot", async () => {
    const { world, context } = leftWorld();
    await clearLeftTasks(context, new Map());
    expect(world.tasks).toEqual(new Set());
    expect(context.leftExits.get(a)?.code).toBe(7);
    expect(world.snapshots).toEqual(new Set([a]));
  });

  test("that refuse to go for a moment are asked again", async () => {
    const { world, context } = leftWorld(2);
    await clearLeftTasks(context, new Map());
    expect(world.tasks).toEqual(new Set());
    expect(world.said).not.toContain("abandon");
  });

  test("that refuse for good lose their shim, so that no mount outlives the container", async () => {
    const { world, context } = leftWorld(Number.POSITIVE_INFINITY);
    await clearLeftTasks(context, new Map());
    expect(world.tasks).toEqual(new Set());
    expect(world.said).toContain("abandon");
  });

  test("have their streams closed however they go", async () => {
    const { world, context } = leftWorld(1);
    await clearLeftTasks(context, new Map());
    expect(world.said.filter((word) => word === "close")).toHaveLength(3);
  });
});

describe("snapshots that no container has", () => {
  test("are removed, but none of an image, and none of a container that is being created", async () => {
    const { world, context } = leftWorld();
    const [image, creating] = [`sha256:${"c".repeat(64)}`, "d".repeat(64)];
    world.snapshots.add(image).add(creating);
    context.registry.claimName("soon", creating);
    expect(await sweepSnapshots(context)).toEqual(new Set([b]));
    expect(world.snapshots).toEqual(new Set([a, image, creating]));
  });

  test("are told of where one does not go, and keep no other", async () => {
    const { world, context } = leftWorld();
    const c = "c".repeat(64);
    world.snapshots.add(c);
    const { snapshots } = context.containerd;
    const remove = snapshots.remove.bind(snapshots);
    const refusing = async (key: string) => {
      if (key === b) throw new Error("device or resource busy");
      await remove(key);
    };
    const containerd = { snapshots: { ...snapshots, remove: refusing } } as unknown as Left["containerd"];
    expect(await sweepSnapshots({ ...context, containerd })).toEqual(new Set([b, c]));
    expect(world.snapshots).toEqual(new Set([a, b]));
  });

  test("are removed too when containerd finishes them only after the daemon's start", async () => {
    const { world, context } = leftWorld();
    await sweepSnapshots(context);
    sweepLateSnapshots(context, 1);
    world.snapshots.add(b);
    await expect.poll(() => world.snapshots).toEqual(new Set([a]));
  });
});
