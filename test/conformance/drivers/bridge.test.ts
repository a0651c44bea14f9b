// The bridge driver through the conformance kit.

import { builtIn } from "./built-in.ts";
import { describeTried } from "./runner.ts";

await describeTried("bridge", builtIn.bridge);
