// Drivers whose endpoints have no links, and drivers of addresses, through the conformance kit.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("host", builtIn.host);
await describeTried("none", builtIn.none);
await describeTried("ipam-default", builtIn["ipam-default"]);
await describeTried("ipam-null", builtIn["ipam-null"]);
await describeTried("ipam-cluster", builtIn["ipam-cluster"]);
