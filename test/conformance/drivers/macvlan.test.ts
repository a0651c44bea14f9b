// Drivers whose links are on a link of the host, through the conformance kit; ipvlan where the kernel has it.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("macvlan", builtIn.macvlan);
await describeTried("ipvlan", builtIn.ipvlan);
