// The addon in a process: what keeps it alive, what may end it, what it refuses.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";

const execute = promisify(execFile);
const addon = new URL("../../../native/index.ts", import.meta.url).href;
const preamble = `import { addon } from ${JSON.stringify(addon)}; const native = addon();`;

/** Runs a script in a process of its own; rejects when it ends with another code than 0. */
async function run(script: string): Promise<string> {
  const { stdout } = await execute(process.execPath, ["--input-type=module", "--eval", preamble + script]);
  return stdout;
}

describe("the addon", () => {
  it("keeps the process alive while a promise is pending, and not after", async () => {
    const script = `
      const fd = await native.netlinkOpen(0, undefined, []);
      await native.netlinkClose(fd);
      await native.netnsFiles(undefined, ["/proc/sys/kernel/ostype", undefined]);
      console.log("done");`;
    expect(await run(script)).toBe("done\n");
  });

  it("lets a process exit in the middle of its work", async () => {
    const script = `
      for (let i = 0; i < 100; i++) native.netnsFiles(undefined, ["/proc/sys/kernel/ostype", undefined]);
      native.netlinkOpen(0, undefined, []).then(() => { throw new Error("ran after exit"); });
      process.exit(0);`;
    expect(await run(script)).toBe("");
  });

  it("lets a process end that has forgotten to stop polling but was told to exit", async () => {
    const script = `
      const [a, b] = native.unixPair();
      native.pollStart(a, 1, () => { console.log("readable"); process.exit(0); });
      native.fdsSend(b, Buffer.from("x"), []);`;
    expect(await run(script)).toBe("readable\n");
  });

  it("works in worker threads, which may be terminated at any point", async () => {
    const body = `${preamble}
      import { parentPort } from "node:worker_threads";
      const [a] = native.unixPair();
      native.pollStart(a, 1, () => undefined);
      const again = () => native.netnsFiles(undefined, ["/proc/sys/kernel/ostype", undefined]).then(again);
      for (let i = 0; i < 20; i++) again();
      parentPort.postMessage("running");`;
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(body)}`));
      await new Promise((done, failed) => worker.once("message", done).once("error", failed));
      expect(await worker.terminate()).toBe(1);
    }
  });

  it("reports an exception in a callback as uncaught, like any other", async () => {
    const script = `
      process.on("uncaughtException", (error) => { console.log(error.message); process.exit(0); });
      const [a, b] = native.unixPair();
      native.pollStart(a, 1, () => { throw new Error("mine"); });
      native.fdsSend(b, Buffer.from("x"), []);`;
    expect(await run(script)).toBe("mine\n");
  });

  it("refuses bad descriptors with an error", async () => {
    const script = `
      for (const call of [() => native.fdsReceive(9999), () => native.pollStart(9999, 1, () => 0), () => native.fdClose(9999)])
        try { call(); } catch (error) { console.log(error.code); }`;
    expect(await run(script)).toBe("EBADF\nEBADF\nEBADF\n");
  });
});
