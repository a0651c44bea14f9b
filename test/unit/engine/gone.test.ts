// What goes while it is read or changed: lists leave it out, and who asked for it alone hears so in Docker's words.

import { describe, expect, test, vi } from "vitest";
import type { Running } from "../../../src/engine/container.ts";
import { containerOperations } from "../../../src/engine/containers.ts";
import { execOperations } from "../../../src/engine/execs.ts";
import { systemOperations } from "../../../src/engine/system.ts";
import { internal, notFound } from "../../../src/util/errors.ts";
import { contextWith } from "./fake-context.ts";

describe("a container whose layer goes while sizes are read", () => {
  const query = { all: true, size: true, filters: new Map() };
  const images = { size: async () => 100 };
  /** `leaving` has lost its layer; `isGone`: and then its record. */
  const withOneLeaving = async ({ isGone }: { readonly isGone: boolean }) => {
    const usage = async (id: string) => {
      if (id !== "leaving") return { size: 10 };
      if (isGone) await context.registry.remove(context.registry.find(id));
      throw notFound(`snapshot ${id} does not exist: not found`);
    };
    const containerd = { snapshots: { snapshotter: "overlayfs", usage } };
    const { context } = await contextWith(["stays", "leaving"], { containerd, images });
    return context;
  };

  test("is on no list once it is gone", async () => {
    const listed = await containerOperations(await withOneLeaving({ isGone: true })).list(query);
    expect(listed.map(({ name, size }) => [name, size])).toEqual([
      ["stays", { writableBytes: 10, rootBytes: 110 }],
    ]);
    const used = await systemOperations(await withOneLeaving({ isGone: true })).diskUsage(
      new Set(["container"]),
    );
    expect(used.containers?.map(({ name }) => name)).toEqual(["stays"]);
  });

  test("takes what its image takes until then", async () => {
    const listed = await containerOperations(await withOneLeaving({ isGone: false })).list(query);
    expect(listed.map(({ name, size }) => [name, size?.writableBytes])).toEqual([
      ["stays", 10],
      ["leaving", 0],
    ]);
  });

  test("is not found by who inspects it", async () => {
    const { inspect } = containerOperations(await withOneLeaving({ isGone: true }));
    await expect(inspect("leaving", { size: true })).rejects.toThrow(/^No such container: leaving$/);
  });
});

describe("a container that ends while something is asked of it", () => {
  const stopped = async () => {
    throw internal("cannot do that to a stopped container: unknown");
  };
  const unknown = async () => {
    throw notFound("no running task found: task c1 not found");
  };
  const ended = { wait: async () => ({ code: 137 }) };
  const alive = { wait: () => new Promise(() => undefined) };
  const withTask = async (task: object) => {
    const containerd = { snapshots: { mounts: unknown } };
    const { context, containers } = await contextWith(["c1"], { containerd });
    for (const container of containers) container.running = { task } as unknown as Running;
    return context;
  };
  const notRunning = /^container c1 is not running$/;

  test("does not run, whatever containerd calls it", async () => {
    for (const refuse of [stopped, unknown]) {
      const task = { ...ended, pause: refuse, pids: refuse, resize: refuse };
      const operations = containerOperations(await withTask(task));
      await expect(operations.pause("c1")).rejects.toThrow(notRunning);
      await expect(operations.top("c1", "-ef")).rejects.toThrow(notRunning);
      await expect(operations.resize("c1", { width: 80, height: 24 })).rejects.toThrow(notRunning);
    }
  });

  test("runs no command more", async () => {
    const { create, startDetached } = execOperations(await withTask(ended));
    const exec = { command: ["true"], env: [], privileged: false, tty: false };
    const id = await create("c1", { ...exec, attachStdin: false, attachStdout: false, attachStderr: false });
    await expect(startDetached(id)).rejects.toThrow(notRunning);
  });

  test("gets its limits all the same, and is not paused any more", async () => {
    const context = await withTask({ ...ended, update: stopped, resume: stopped });
    const { update, unpause } = containerOperations(context);
    context.registry.find("c1").paused = true;
    await unpause("c1");
    expect(context.registry.find("c1").paused).toBe(false);
    await update("c1", { resources: { pidsLimit: 7 }, given: {} });
    expect(context.registry.find("c1").record.spec.resources).toEqual({ pidsLimit: 7 });
  });

  test("while one that lives has containerd's reason told", async () => {
    vi.useFakeTimers();
    try {
      const { pause } = containerOperations(await withTask({ ...alive, pause: stopped }));
      const refused = expect(pause("c1")).rejects.toThrow("cannot do that to a stopped container: unknown");
      await vi.runAllTimersAsync();
      await refused;
    } finally {
      vi.useRealTimers();
    }
  });
});
