// One daemon per network namespace: it has one firewall, and a second daemon would sweep the first one's links away, taking
// them for what a crash left. The claim is a PID file that is named after the namespace. An abstract socket would be less
// work, and in reach of every container that shares the namespace.

import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { unavailable } from "../util/errors.ts";
import { pidFileOwner, writePidFile } from "./pid-file.ts";

/** The machine's, whatever exec-root a daemon has. */
const folder = "/run/tsdocker-netns";

/** @throws unavailable when another daemon has it; returns how to let go */
export async function claimNetns(): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const own = await netnsOf("self");
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const owner = await pidFileOwner(path);
    const held = owner === undefined ? undefined : await netnsOf(owner);
    // of one that was killed, and its PID another's by now
    if (held !== name) await rm(path, { force: true });
    else if (name === own)
      throw unavailable(
        `failed to start daemon: another tsdockerd runs here, with PID ${owner}; a second one needs a network namespace of its own`,
      );
  }
  return await writePidFile(join(folder, own));
}

/** A name for a process's network namespace; "" when it has gone. */
async function netnsOf(pid: number | "self"): Promise<string> {
  return await stat(`/proc/${pid}/ns/net`).then(
    ({ dev, ino }) => `${dev}-${ino}.pid`,
    () => "",
  );
}
