import { sweepFailpoints } from "./failpoint-sweep.ts";

sweepFailpoints("error");
