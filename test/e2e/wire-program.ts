// Serves the wire plugin. Arguments: the namespace of its links, and the socket.

import { servePlugin } from "../../src/driverkit/index.ts";
import { openNetlink } from "../../src/kernel/index.ts";
import { wirePlugin } from "./wire-plugin.ts";

const [, , netns = "", socket = ""] = process.argv;
await servePlugin({ network: wirePlugin(await openNetlink(netns)).driver }, { on: socket });
