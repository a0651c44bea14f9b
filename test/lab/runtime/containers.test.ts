// Containers through a real containerd and runc: life, streams, execs, limits.

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildSpec, startFailureExitCode } from "../../../src/runtime/index.ts";
import { collect, eventually, RuntimeLab } from "./fixture.ts";

let lab: RuntimeLab;
beforeAll(async () => {
  lab = await RuntimeLab.create();
});
afterEach(async () => {
  const left = {
    tasks: await lab.runtime.tasks(),
    containers: await lab.runtime.list(),
    streams: await readdir(join(lab.folder, "streams")),
  };
  // what a test that failed has left is no failure of the next
  await lab.clear();
  expect(left).toEqual({ tasks: [], containers: [], streams: [] });
});
afterAll(async () => {
  await lab?.[Symbol.asyncDispose]();
});

test("a command that succeeds ends with 0", async () => {
  expect(await lab.run(["true"])).toMatchObject({ code: 0, out: "", err: "" });
});

test("outputs arrive apart and the exit code is the command's", async () => {
  expect(await lab.run(["sh", "-c", "echo out; echo err >&2; exit 3"])).toMatchObject({
    code: 3,
    out: "out\n",
    err: "err\n",
  });
});

test("more output than a pipe holds arrives whole", async () => {
  const { out, code } = await lab.run(["sh", "-c", "yes 0123456789abcde | head -c 3000000"]);
  expect([out.length, code]).toEqual([3_000_000, 0]);
});

test("discarded streams cost no FIFO and the command runs all the same", async () => {
  expect(
    await lab.run(["sh", "-c", "yes | head -c 300000; exit 4"], { streams: { discard: true } }),
  ).toMatchObject({
    code: 4,
    out: "",
  });
});

test("standard input arrives and its end is the command's end of file", async () => {
  const { id, task, out } = await lab.create({ process: { args: ["cat"] }, streams: { stdin: true } });
  task.stdio.stdin?.write("before the start\n");
  await task.start();
  task.stdio.stdin?.end("after it\n");
  expect((await task.wait()).code).toBe(0);
  expect(await out).toBe("before the start\nafter it\n");
  await lab.remove(id, task);
});

test("a large standard input arrives whole", async () => {
  const { id, task, out } = await lab.create({ process: { args: ["wc", "-c"] }, streams: { stdin: true } });
  await task.start();
  task.stdio.stdin?.end(Buffer.alloc(1_000_000));
  await task.wait();
  expect((await out).trim()).toBe("1000000");
  await lab.remove(id, task);
});

test("closing the standard input ends a reader", async () => {
  const { id, task } = await lab.create({ process: { args: ["cat"] }, streams: { stdin: true } });
  await task.start();
  await task.closeStdin();
  expect((await task.wait()).code).toBe(0);
  await lab.remove(id, task);
});

test("writing to a process that has ended harms nobody", async () => {
  const { id, task } = await lab.create({ process: { args: ["true"] }, streams: { stdin: true } });
  await task.start();
  await task.wait();
  task.stdio.stdin?.write(Buffer.alloc(300_000));
  await lab.remove(id, task);
});

test("a signal ends the command with 128 plus its number", async () => {
  const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
  await task.start();
  await task.kill(9);
  const status = await task.wait();
  expect(status.code).toBe(137);
  expect(Math.abs(status.at.getTime() - Date.now())).toBeLessThan(60_000);
  await expect(task.kill(15)).rejects.toMatchObject({ kind: "not-found" });
  await lab.remove(id, task);
});

test("deleting a task twice is success", async () => {
  const { id, task } = await lab.create({ process: { args: ["true"] } });
  await task.start();
  await task.wait();
  expect((await task.delete())?.code).toBe(0);
  expect(await task.delete()).toBeUndefined();
  await lab.remove(id);
});

test("a terminal is one stream with the size that was set", async () => {
  const { id, task, out } = await lab.create({
    process: {
      args: ["sh", "-c", "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.1; done"],
    },
    streams: { terminal: true },
  });
  expect(task.stdio.stderr).toBeUndefined();
  await task.start();
  await eventually(async () => (await task.pids()).length > 1, "the shell sleeps");
  await task.resize(123, 45);
  expect((await task.wait()).code).toBe(0);
  expect(await out).toBe("ready\r\n45 123\r\n");
  await lab.remove(id, task);
});

test("a missing command is the client's mistake, with Docker's text and 127", async () => {
  const failure = await createFailing(["nope"]);
  expect(failure.kind).toBe("invalid");
  expect(failure.message).toMatch(
    /^failed to create task for container: failed to create shim task: OCI runtime create failed: .*"nope": executable file not found in \$PATH/,
  );
  expect(startFailureExitCode(failure.message)).toBe(127);
});

test("a file that is not executable gives 126", async () => {
  const failure = await createFailing(["/etc/passwd"]);
  expect([failure.kind, startFailureExitCode(failure.message)]).toEqual(["invalid", 126]);
});

test("a failed creation leaves no mount and no stream behind", async () => {
  await createFailing(["nope"]);
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n");
  expect(mounts.filter((line) => line.includes(lab.folder))).toEqual([]);
});

test("an id that is taken is a conflict", async () => {
  const { id, task } = await lab.create({ process: { args: ["true"] } });
  const again = lab.runtime.create({ id, image: "x", snapshotKey: id, spec: buildSpec(lab.spec(id)) });
  await expect(again).rejects.toMatchObject({ kind: "conflict" });
  await lab.remove(id, task);
});

test("an exec runs beside the first process with streams and a code of its own", async () => {
  const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
  await task.start();
  const exec = await task.exec("e1", execProcess(["sh", "-c", "cat; echo err >&2; exit 7"]), {
    terminal: false,
    stdin: true,
  });
  const out = collect(exec.stdio.stdout);
  const err = collect(exec.stdio.stderr);
  exec.stdio.stdin?.end("in\n");
  await exec.start();
  expect(exec.pid).toBeGreaterThan(1);
  expect((await exec.wait()).code).toBe(7);
  expect([await out, await err]).toEqual(["in\n", "err\n"]);
  expect((await exec.delete())?.code).toBe(7);
  expect(await exec.delete()).toBeUndefined();
  await exec.stdio.close();
  await lab.remove(id, task);
});

test("an exec of a missing command fails at its start with Docker's text", async () => {
  const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
  await task.start();
  const exec = await task.exec("e1", execProcess(["nope"]), { terminal: false, stdin: false });
  await expect(exec.start()).rejects.toMatchObject({
    kind: "invalid",
    message: expect.stringMatching(/^OCI runtime exec failed: .*"nope": executable file not found in \$PATH/),
  });
  await exec.delete();
  await exec.stdio.close();
  await lab.remove(id, task);
});

test("an exec takes a terminal, a signal and a size", async () => {
  const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
  await task.start();
  const exec = await task.exec("e1", execProcess(["sh", "-c", "read line; stty size; exec cat"]), {
    terminal: true,
    stdin: true,
  });
  let said = "";
  exec.stdio.stdout?.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await exec.start();
  await exec.resize(90, 30);
  exec.stdio.stdin?.write("go\n");
  await expect.poll(() => said).toContain("30 90\r\n");
  await exec.kill(9);
  expect((await exec.wait()).code).toBe(137);
  await exec.delete();
  await exec.stdio.close();
  await lab.remove(id, task);
});

test("a paused container stands still until it is resumed", async () => {
  const { id, task } = await lab.create({ process: { args: ["sleep", "100"] } });
  await task.start();
  await task.pause();
  expect((await lab.runtime.tasks()).map(({ state }) => state)).toEqual(["paused"]);
  await task.resume();
  expect((await lab.runtime.tasks()).map(({ state }) => state)).toEqual(["running"]);
  await lab.remove(id, task);
});

test("the processes of a container are listed", async () => {
  const { id, task } = await lab.create({ process: { args: ["sh", "-c", "sleep 100 & sleep 100 & wait"] } });
  await task.start();
  await eventually(async () => (await task.pids()).length === 3, "three processes run");
  expect(await task.pids()).toContain(task.pid);
  await lab.remove(id, task);
});

test("metrics tell of processor, memory and processes", async () => {
  const { id, task } = await lab.create({
    process: { args: ["sleep", "100"] },
    resources: { memoryBytes: 64 << 20, pidsLimit: 33 },
  });
  await task.start();
  const metrics = await task.metrics();
  expect(metrics?.memory.limitBytes).toBe(64 << 20);
  expect(metrics?.memory.usageBytes).toBeGreaterThan(0);
  expect(metrics?.cpu.totalNs).toBeGreaterThan(0);
  // until it becomes the command, runc's first process has threads
  await expect.poll(async () => (await task.metrics())?.pids).toEqual({ current: 1, limit: 33 });
  expect(Object.keys(metrics?.memory.stats ?? {})).toContain("inactive_file");
  await task.update({ memory: { limit: 32 << 20, swap: 64 << 20 } });
  expect((await task.metrics())?.memory.limitBytes).toBe(32 << 20);
  await lab.remove(id, task);
});

test("files of the host and of the engine are seen inside", async () => {
  const source = join(lab.folder, "shared");
  await mkdir(source, { recursive: true });
  await writeFile(join(source, "hosts"), "127.0.0.1 localhost\n");
  const { out } = await lab.run(["sh", "-c", "cat /etc/hosts; echo new > /data/made; cat /data/made"], {
    files: [{ source: join(source, "hosts"), target: "/etc/hosts" }],
    mounts: [{ destination: "/data", type: "bind", source, options: ["rbind", "rprivate"] }],
  });
  expect(out).toBe("127.0.0.1 localhost\nnew\n");
});

async function createFailing(args: readonly string[]): Promise<Error & { kind: string }> {
  const before = new Set((await lab.runtime.list()).map(({ id }) => id));
  const failure = await lab.create({ process: { args } }).then(
    () => undefined,
    (error: Error & { kind: string }) => error,
  );
  for (const { id } of await lab.runtime.list()) if (!before.has(id)) await lab.remove(id);
  if (!failure) throw new Error(`${args.join(" ")} was created`);
  return failure;
}

function execProcess(args: readonly string[]) {
  const env = ["PATH=/bin"];
  return { args, env, cwd: "/", user: { uid: 0, gid: 0 } };
}
