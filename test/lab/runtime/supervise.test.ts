// A containerd under our care: started, restarted, left to its containers.

import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createRuntime,
  probeContainerd,
  superviseContainerd,
  type TaskEvent,
  watchTasks,
} from "../../../src/runtime/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { eventually, RuntimeLab, runtimeOptions, startContainerd } from "./fixture.ts";

describe("with containers", () => {
  let lab: RuntimeLab;
  beforeAll(async () => {
    lab = await RuntimeLab.create();
  });
  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  });

  test("every step of a container's life is an event, in order", async () => {
    const seen: TaskEvent[] = [];
    await using _events = await watchTasks(lab.containerd, (event) => seen.push(event));
    const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
    await task.start();
    const exec = await task.exec(
      "e1",
      { args: ["sh", "-c", "exit 5"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
      { terminal: false, stdin: false, discard: true },
    );
    await exec.start();
    await exec.wait();
    await exec.delete();
    await task.pause();
    await task.resume();
    await task.kill(9);
    await lab.remove(id, task);
    await eventually(
      () => seen.some(({ kind, ...event }) => kind === "delete" && !("execId" in event)),
      "deletion",
    );
    expect(seen.every(({ containerId }) => containerId === id)).toBe(true);
    expect(seen.map(({ kind }) => kind)).toEqual([
      ...["create", "start", "exec-added", "exec-started", "exit"],
      ...["paused", "resumed", "exit", "delete"],
    ]);
    const exits = seen.flatMap((event) => (event.kind === "exit" ? [[event.execId, event.code]] : []));
    expect(exits).toEqual([
      ["e1", 5],
      [undefined, 137],
    ]);
  });

  test("running out of memory is told", async () => {
    const seen: TaskEvent[] = [];
    await using _events = await watchTasks(lab.containerd, (event) => seen.push(event));
    const { id, task } = await lab.create({
      process: { args: ["sh", "-c", "a=aaaaaaaa; while :; do a=$a$a; done"] },
      resources: { memoryBytes: 16 << 20, memorySwapBytes: 16 << 20 },
    });
    await task.start();
    expect((await task.wait()).code).toBe(137);
    await eventually(() => seen.some(({ kind }) => kind === "oom"), "the event of the kernel's killing");
    await lab.remove(id, task);
  });

  test("containers go on while containerd is away, and no end of one is missed", async () => {
    const exits: string[] = [];
    await using events = await watchTasks(lab.containerd);
    events.onTaskExit((exit) => exits.push(`${exit.containerId} ${exit.code}`));
    const deaths: unknown[] = [];
    const stopListening = lab.supervised.onExit((exit) => deaths.push(exit));
    const stays = await lab.create({ process: { args: ["cat"] }, streams: { stdin: true } });
    const ends = await lab.create({
      process: { args: ["sh", "-c", "cat; exit 9"] },
      streams: { stdin: true },
    });
    await stays.task.start();
    await ends.task.start();
    const before = lab.supervised.pid;
    process.kill(before, "SIGKILL");
    process.kill(ends.task.pid, "SIGKILL");
    await eventually(() => exits.length > 0, "the end that fell into the gap");
    expect(exits).toEqual([`${ends.id} 137`]);
    expect(deaths).toEqual([{ code: null, signal: "SIGKILL" }]);
    expect(lab.supervised.pid).not.toBe(before);
    expect((await ends.task.wait()).code).toBe(137);
    stays.task.stdio.stdin?.end("still here\n");
    expect((await stays.task.wait()).code).toBe(0);
    expect(await stays.out).toBe("still here\n");
    await lab.remove(stays.id, stays.task);
    await lab.remove(ends.id, ends.task);
    await expect.poll(() => exits.toSorted()).toEqual([`${ends.id} 137`, `${stays.id} 0`].toSorted());
    stopListening();
  });

  test("a new daemon finds the tasks of the old one and their streams", async () => {
    const {
      id,
      task,
      out: old,
      err,
    } = await lab.create({
      process: { args: ["cat"] },
      streams: { stdin: true },
    });
    void Promise.allSettled([old, err]);
    await task.start();
    // The old daemon's ends close with it; the FIFOs stay.
    task.stdio.stdout?.destroy();
    task.stdio.stderr?.destroy();
    const again = createRuntime(lab.containerd, runtimeOptions(lab.folder));
    const loaded = await again.load(id);
    expect(loaded?.status).toMatchObject({ containerId: id, pid: task.pid, state: "running" });
    const out = loaded?.task.stdio.stdout?.setEncoding("utf8").toArray();
    loaded?.task.stdio.stdin?.end("hello\n");
    task.stdio.stdin?.destroy();
    expect((await loaded?.task.wait())?.code).toBe(0);
    expect((await out)?.join("")).toBe("hello\n");
    const stopped = await again.load(id);
    expect(stopped?.status).toMatchObject({ state: "stopped", exit: { code: 0 } });
    await lab.remove(id, loaded?.task);
    expect(await again.load(id)).toBeUndefined();
  });

  test("a start whose caller is gone, and nobody opened the outputs, is finished by the next daemon", async () => {
    const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
    await task.start();
    const exec = await task.exec(
      "late",
      { args: ["sh", "-c", "echo done"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
      { terminal: false, stdin: false },
    );
    // as if the daemon had ended just before the shim opened its ends
    exec.stdio.release();
    const starting = exec.start();
    const isSilent = async () => {
      const { process } = await lab.containerd.services.tasks.get({ containerId: id });
      return process?.status === 0; // UNKNOWN
    };
    await eventually(isSilent, "the shim says nothing");
    const again = createRuntime(lab.containerd, runtimeOptions(lab.folder));
    await again.wakeShims();
    await starting;
    expect(await again.tasks()).toMatchObject([{ containerId: id, state: "running" }]);
    const loaded = await again.loadExec(id, "late");
    const { process, state } = loaded ?? {};
    expect(state).toBeDefined();
    expect(String(process?.stdio.stdout && (await once(process.stdio.stdout, "data")))).toBe("done\n");
    expect((await process?.wait())?.code).toBe(0);
    await process?.delete();
    await again.retainStreams([id]);
    await lab.remove(id, task);
  });
});

describe("a containerd of its own", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(`/tmp/tsdocker-rt-${process.pid}-`);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  test("answers when the start is done and is gone when the stop is", async () => {
    const supervised = await startContainerd(folder);
    expect(await probeContainerd(supervised.address, 20_000)).toMatch(/^\d+\.\d+/);
    const { pid } = supervised;
    await supervised.stop();
    await supervised.stop();
    await expect(access(`/proc/${pid}/exe`)).rejects.toThrow();
  });

  test("that a killed daemon left behind is taken over", async () => {
    const left = await startContainerd(folder);
    const taken = await startContainerd(folder);
    expect(taken.pid).toBe(left.pid);
    await taken.stop();
    // The first supervisor sees the death as one that was not asked for and has to be told.
    await left.stop();
    await expect(access(`/proc/${left.pid}/exe`)).rejects.toThrow();
  });

  test("is not mistaken for a process that has got its id", async () => {
    await writeFile(join(folder, "state", "containerd.pid"), `${process.pid}\n`);
    const supervised = await startContainerd(folder);
    expect(supervised.pid).not.toBe(process.pid);
    await supervised.stop();
  });

  test("that cannot start is an error which says why", async () => {
    const start = (binary: string) =>
      superviseContainerd({
        root: join(folder, "root"),
        state: join(folder, "state"),
        log: silentLog,
        binary,
      });
    await expect(start("/nowhere/containerd")).rejects.toMatchObject({
      kind: "unavailable",
      message: "start /nowhere/containerd: it cannot be executed",
    });
    await expect(start("/bin/false")).rejects.toMatchObject({
      kind: "unavailable",
      message: "start /bin/false: it ended with exit code 1",
    });
  });

  test("is refused a folder whose path is too long for a socket", async () => {
    const state = join(folder, "x".repeat(100));
    const start = superviseContainerd({ root: folder, state, log: silentLog });
    await expect(start).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("at most 107"),
    });
  });

  test("keeps its files where it was told to", async () => {
    const config = await readFile(join(folder, "state", "containerd.toml"), "utf8");
    expect(config).toContain(`root = "${folder}/root"`);
    expect(config).toContain("io.containerd.internal.v1.opt");
  });
});
