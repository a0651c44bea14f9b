// What goes while it is read or changed: lists leave it out, and who asked for it alone hears so in Docker's words.

import { describe, expect, test } from "vitest";
import { containerOperations } from "../../../src/engine/containers.ts";
import { systemOperations } from "../../../src/engine/system.ts";
import { notFound } from "../../../src/util/errors.ts";
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
