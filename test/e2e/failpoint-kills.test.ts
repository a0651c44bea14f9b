import { sweepFailpoints } from "./failpoint-sweep.ts";

sweepFailpoints("kill");
