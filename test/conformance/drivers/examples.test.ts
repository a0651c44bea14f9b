// The examples of drivers through the conformance kit.

import { examples } from "./examples.ts";
import { describeTried } from "./runner.ts";

for (const [name, tried] of Object.entries(examples)) await describeTried(`example ${name}`, tried);
