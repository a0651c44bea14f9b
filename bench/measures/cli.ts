// `ps` through each daemon's own command, a process a time.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Measure, timed } from "../measure.ts";

const run = promisify(execFile);
const own = join(import.meta.dirname, "../../bin/tsdocker");

export const cliMeasure: Measure = {
  name: "cli",
  needsDaemons: true,
  async run({ daemons, report, sizes }) {
    for (let at = -2; at < sizes.rounds; at++) {
      for (const { name, socket } of daemons) {
        const command = name === "dockerd" ? "docker" : own;
        if (command === own && !existsSync(own)) continue;
        const { ms } = await timed(() => run(command, ["-H", `unix://${socket}`, "ps"]));
        if (at >= 0) report.add("ps, the whole command", name, ms);
      }
      const node = await timed(() => run(process.execPath, ["-e", "0"]));
      if (at >= 0) report.add("ps, the whole command", "floor", node.ms);
    }
  },
};
