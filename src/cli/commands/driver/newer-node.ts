// Debian's own Node is older than TypeScript needs, and ours lies where nobody looks for it.

import { spawnSync } from "node:child_process";
import { dirname } from "node:path";

/** The first that runs TypeScript as it is (nodejs.org/en/blog/release/v22.18.0). */
const [leastMajor, leastMinor] = [22, 18];

/** How a shell comes to a Node that runs drivers: a line for it, or none where `node` does already. */
export function newerNode(env: NodeJS.ProcessEnv): string[] {
  const { stdout } = spawnSync("node", ["--version"], { env, encoding: "utf8" });
  const [, version = "", major, minor] = /^v((\d+)\.(\d+)\S*)/.exec(stdout ?? "") ?? [];
  if (Number(major) > leastMajor || (Number(major) === leastMajor && Number(minor) >= leastMinor)) return [];
  const found = version === "" ? "there is no node here" : `node here is ${version}`;
  const why = `${found}, and TypeScript needs ${leastMajor}.${leastMinor}`;
  return [`export PATH=${dirname(process.execPath)}:$PATH   # ${why}`];
}
