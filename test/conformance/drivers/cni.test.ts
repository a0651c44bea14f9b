// The CNI driver through the conformance kit, with Debian's plugins.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("cni", builtIn.cni);
