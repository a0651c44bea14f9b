// The process of a managed plugin that ends before anybody listens on its socket.

import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { expect, onTestFinished, test } from "vitest";
import { parsePluginConfig } from "../../../src/managed-plugins/config.ts";
import { type PluginGround, PluginProcess } from "../../../src/managed-plugins/process.ts";
import { defaultSettings } from "../../../src/managed-plugins/settings.ts";
import type { Task } from "../../../src/runtime/index.ts";
import { silentLog } from "../../../src/util/log.ts";
import { host } from "../runtime/spec-input.ts";

const config = parsePluginConfig(
  JSON.stringify({
    entrypoint: ["/run"],
    interface: { types: ["docker.networkdriver/1.0"], socket: "p.sock" },
  }),
);
const record = {
  ...{ id: "c0ffee", name: "p:latest", reference: "p:latest", rootfs: "p", isEnabled: false, timeoutS: 0 },
  ...{ config, settings: defaultSettings(config), layer: { digest: "", size: 0, mediaType: "" } },
};

/** Runs tasks that are this one. */
function groundFor(task: Task): PluginGround {
  const nothing = async () => undefined;
  const runtime = { abandonTask: nothing, delete: nothing, create: nothing, forgetStreams: nothing };
  return {
    containerd: { snapshots: { mounts: async () => [] } },
    runtime: { ...runtime, createTask: async () => task },
    host,
    outlives: false,
  } as unknown as PluginGround;
}

test("is told of with its last words, which come after its end", async () => {
  const stderr = new PassThrough();
  const task = {
    stdio: {
      stderr,
      drained: () => finished(stderr, { writable: false }).then(() => true),
      close: async () => void stderr.destroy(),
    },
    start: async () => undefined,
    wait: async () => {
      setTimeout(() => stderr.end("out of order\n"), 100);
      return { code: 3, at: new Date(0) };
    },
  } as unknown as Task;
  const folder = mkdtempSync(join(tmpdir(), "tsdocker-plugin-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const plugin = new PluginProcess(record, {
    ground: groundFor(task),
    places: { sockets: join(folder, "sockets"), propagated: join(folder, "propagated") },
    log: silentLog,
    onReady: () => undefined,
  });
  await expect(plugin.start()).rejects.toThrow(
    "plugin p:latest: it ended with 3 before its socket was there: out of order",
  );
});
