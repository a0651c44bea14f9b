// The wire driver as a program of its own, on a socket. Arguments: the namespace of its links, and the socket.

import { servePlugin } from "../../src/driverkit/index.ts";
import { openNetlink } from "../../src/kernel/index.ts";
import { wirePlugin } from "../../test/e2e/wire-plugin.ts";

const [, , netns = "", socket = ""] = process.argv;
await servePlugin({ network: wirePlugin(await openNetlink(netns)).driver }, { on: socket });
console.log("listens");
