// Loaded before a daemon (`--import`): its wall clock jumps by as many milliseconds as the file TSDOCKER_TEST_CLOCK says,
// whenever it gets SIGUSR2. What counts time that passes (timers, performance.now) goes on, as when a machine's clock is set.

import { readFileSync } from "node:fs";

const RealDate = Date;
let offsetMs = 0;

globalThis.Date = class extends RealDate {
  constructor(...words) {
    if (words.length === 0) super(RealDate.now() + offsetMs);
    else super(...words);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};

process.on("SIGUSR2", () => {
  offsetMs = Number(readFileSync(process.env.TSDOCKER_TEST_CLOCK, "utf8"));
});
