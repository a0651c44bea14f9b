#!/usr/bin/env node
// The plugin's program: node serve.ts [SOCKET]. A daemon says again what is leased when it finds the plugin started anew.

import { servePlugin } from "tsdocker/driverkit";
import { createIpam } from "./index.ts";

const [socket = "/run/docker/plugins/__name__.sock"] = process.argv.slice(2);
const plugin = await servePlugin({ ipam: createIpam({ defaultPools: [] }) }, { on: socket });
console.log(`__name__ is on ${socket}`);
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void plugin.close());
