// Drivers behind sockets through the conformance kit: a plugin that is both, in a namespace of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import createDefaultIpam from "../../../drivers/ipam-default/index.ts";
import createSmallestDriver from "../../../examples/smallest-driver/index.ts";
import type { Host } from "../../../src/driverapi/index.ts";
import { servePlugin } from "../../../src/driverkit/index.ts";
import { describeDriver } from "../../../src/driververify/index.ts";
import * as kernel from "../../../src/kernel/index.ts";
import { runner } from "./runner.ts";

const folder = await mkdtemp(join(tmpdir(), "tsdocker-plugin-"));
const netnsFolder = `/run/tsdocker-plugin-${process.pid}`;
const netns = `${netnsFolder}/host`;
await kernel.createNetns(netns);
const netlink = await kernel.openNetlink(netns);
await netlink.send(kernel.setLink("lo", { up: true }));
// all that this driver takes of its host
const host = { netlink, link: kernel } as Host;
const path = join(folder, "wire.sock");
const plugin = await servePlugin(
  { network: createSmallestDriver(host), ipam: createDefaultIpam({ defaultPools: [], hostId: "plugin" }) },
  { on: path },
);

afterAll(async () => {
  await plugin.close();
  await netlink.close();
  await kernel.deleteNetns(netns);
  await kernel.deleteNetnsFolder(netnsFolder);
  await rm(folder, { recursive: true });
});

describeDriver("network plugin", { kind: "network plugin", path, netns }, { runner });
describeDriver("IPAM plugin", { kind: "ipam plugin", path }, { runner });
