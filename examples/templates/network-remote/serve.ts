#!/usr/bin/env node
// The plugin's program: node serve.ts [SOCKET [FILE]]

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { servePlugin } from "tsdocker/driverkit";
import { createDriver, type Ip, type Memory } from "./driver.ts";

const [socket = "/run/docker/plugins/__name__.sock", file = "/var/lib/__name__/networks.json"] =
  process.argv.slice(2);
const run = promisify(execFile);

const ip: Ip = async (...words) => void (await run("ip", [...words]));

const memory: Memory = {
  read: () => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : []),
  write: async (networkIds) => {
    mkdirSync(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify(networkIds));
    await rename(`${file}.new`, file);
  },
};

const plugin = await servePlugin({ network: createDriver(ip, memory) }, { on: socket });
console.log(`__name__ is on ${socket}`);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void plugin.close());
