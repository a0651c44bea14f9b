// What goes while it is read or changed: lists leave it out, and who asked for it alone hears so in Docker's words.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import type { Container, Running } from "../../../src/engine/container.ts";
import { containerOperations } from "../../../src/engine/containers.ts";
import { execOperations } from "../../../src/engine/execs.ts";
import { networkOperations } from "../../../src/engine/networks.ts";
import { systemOperations } from "../../../src/engine/system.ts";
import type { AttachSession } from "../../../src/engine/types.ts";
import { errorMessage, internal, notFound } from "../../../src/util/errors.ts";
import { containerSpec, imageId, networkView } from "../api/fake-engine.ts";
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

  test("runs none either that was paused meanwhile", async () => {
    const context = await withTask(alive);
    const { create, startDetached } = execOperations(context);
    const exec = { command: ["true"], env: [], privileged: false, tty: false };
    const id = await create("c1", { ...exec, attachStdin: false, attachStdout: false, attachStderr: false });
    const refused = expect(startDetached(id)).rejects.toThrow(
      /^container c1 is paused, unpause the container before exec$/,
    );
    await context.locks.run("c1", () => {
      context.registry.find("c1").paused = true;
    });
    await refused;
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

describe("a container that is removed", () => {
  test("is not removed, but runs on, where somebody has started it before", async () => {
    const { context, containers } = await contextWith(["c1"]);
    const [container] = containers as [Container];
    const { promise: started, resolve: start } = Promise.withResolvers<void>();
    void context.locks.run("c1", () => started);
    const { remove } = containerOperations(context);
    const removal = remove("c1", { force: false, volumes: false, link: false });
    container.running = {} as Running;
    start();
    await expect(removal).rejects.toThrow(
      'cannot remove container "/c1": container is running: stop the container before removing or force remove',
    );
    expect(context.registry.find("c1").removing).toBe(false);
  });

  test("takes no name, no limit and no network with it", async () => {
    const begun = Promise.withResolvers<void>();
    const { promise: go, resolve: goOn } = Promise.withResolvers<void>();
    const forgetStreams = () => {
      begun.resolve();
      return go;
    };
    const { context } = await contextWith(["c1", "c2"], {
      runtime: { forgetStreams },
      controller: {
        network: () => ({ name: "n", record: {} }),
        networks: () => [],
        forgetContainer: async () => undefined,
      },
    });
    const { remove, rename, update } = containerOperations(context);
    const { connect, disconnect } = networkOperations(context);
    const endpoint = { network: "n", linkLocal: [], aliases: [], links: [], driverOptions: {} };
    const removal = remove("c1", { force: true, volumes: false, link: false });
    await begun.promise;
    const others = Promise.allSettled([
      rename("c1", "c3"),
      update("c1", { resources: {}, given: {} }),
      connect("n", "c1", { ...endpoint, gatewayPriority: 0 }),
      disconnect("n", "c1", { force: false }),
      remove("c1", { force: true, volumes: false, link: false }),
    ]);
    goOn();
    await removal;
    const isMarked =
      "container c1 is marked for removal and cannot be connected or disconnected to the network";
    expect(
      (await others).map((it) => (it.status === "rejected" ? errorMessage(it.reason) : it.status)),
    ).toEqual([
      "No such container: c1",
      'Cannot update container c1: container is marked for removal and cannot be "update"',
      isMarked,
      isMarked,
      "removal of container c1 is already in progress",
    ]);
    await rename("c2", "c3");
  });

  test("lets those go who attached to it, and who wait for it", async () => {
    const request = { stdin: false, stdout: true, stderr: true, stream: true, logs: false };
    const { signal } = new AbortController();
    const late = Promise.withResolvers<AttachSession>();
    // while all that it had is being taken away
    const forgetStreams = async () => late.resolve(await attach("c1", request, signal));
    const { context, containers } = await contextWith(["c1"], { runtime: { forgetStreams } });
    const [container] = containers as [Container];
    container.record = { ...container.record, state: { ...container.record.state, exitCode: 7 } };
    const { attach, wait, remove } = containerOperations(context);
    const early = await attach("c1", request, signal);
    const { exit } = await wait("c1", "removed", signal);
    await remove("c1", { force: false, volumes: false, link: false });
    for (const { output } of [early, await late.promise])
      for await (const chunk of output) expect(chunk).toBeUndefined();
    expect(await exit).toEqual({ statusCode: 7 });
  });
});

describe("a network that is removed while it is read", () => {
  const withOneLeaving = async () => {
    const forgotten = async () => {
      networks = networks.filter(({ id }) => id !== "leaving");
      throw notFound("network leaving does not exist");
    };
    const network = (id: string) => ({
      ...{ id, name: id, record: { scope: "local" }, peers: () => [] },
      effectiveOptions: id === "leaving" ? forgotten : async () => ({}),
      view: id === "leaving" ? forgotten : async () => networkView({ id, name: id }),
    });
    let networks = [network("stays"), network("leaving")];
    const controller = {
      networks: () => networks,
      network: (ref: string) => networks.find(({ id }) => id === ref),
    };
    return networkOperations((await contextWith([], { controller })).context);
  };

  test("is on no list", async () => {
    const listed = await (await withOneLeaving()).list(new Map());
    expect(listed.map(({ id }) => id)).toEqual(["stays"]);
  });

  test("is not found by who inspects it", async () => {
    const { inspect } = await withOneLeaving();
    await expect(inspect("leaving")).rejects.toThrow(/^network leaving not found$/);
  });
});

describe("an image that is removed while a container is created from it", () => {
  test("is not found, and nothing is left of the container", async () => {
    const folder = await mkdtemp(join(tmpdir(), "gone-"));
    const prepare = async () => {
      throw notFound("parent snapshot sha256:1 does not exist: not found");
    };
    const { context } = await contextWith([], {
      settings: { dataRoot: folder, log: { driver: "json-file", options: {} } },
      images: { resolve: async () => ({ id: imageId, name: "img:latest", config: { Cmd: ["true"] } }) },
      containerd: { snapshots: { prepare, remove: async () => undefined } },
      controller: { network: () => ({ name: "x1" }), checkEndpoint: () => undefined },
      hostFacts: { cgroupVersion: 2, capabilities: [] },
    });
    const { create, list } = containerOperations(context);
    await expect(create(containerSpec({ image: "img", name: "c1" }))).rejects.toThrow(
      /^No such image: img:latest$/,
    );
    expect(await list({ all: true, size: false, filters: new Map() })).toEqual([]);
    expect(context.registry.isNameFree("c1")).toBe(true);
    expect(await readdir(join(folder, "containers"))).toEqual([]);
    await rm(folder, { recursive: true });
  });
});
