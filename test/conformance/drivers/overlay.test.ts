// The overlay driver through the conformance kit, on a host that is a cluster of one.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("overlay", builtIn.overlay);
