// Drivers behind sockets through the conformance kit.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("remote", builtIn.remote);
await describeTried("ipam-remote", builtIn["ipam-remote"]);
