// The host's sysctls as the daemon changes them: what was there before is noted, also for the daemon that comes after
// one that was killed, and put back at the end.

import { readFile, rm, writeFile } from "node:fs/promises";
import type { Host } from "../driverapi/index.ts";
import * as kernel from "../kernel/index.ts";

export interface HostSysctl {
  readonly sysctl: Host["sysctl"];
  /** Puts back what was found, where it is still as the daemon left it. */
  restore(): Promise<void>;
}

interface Change {
  readonly found: string;
  readonly set: string;
}

/** `notesPath`: a file that is gone after a reboot, as the changes are. */
export async function openHostSysctl(notesPath: string): Promise<HostSysctl> {
  const changes = await readNotes(notesPath);
  const note = async (key: string, value: string): Promise<void> => {
    const found = isOfOneLink(key) ? undefined : await read(key);
    if (found === undefined || found === value) return;
    changes.set(key, { found: changes.get(key)?.found ?? found, set: value });
    await writeFile(notesPath, JSON.stringify([...changes]));
  };
  return {
    sysctl: {
      read,
      async write(key, value) {
        await note(key, value);
        await kernel.writeSysctl(key, value);
      },
      async writeAll(values) {
        const settings = Object.entries(values).map(([key, value]) => ({ key, value }));
        for (const { key, value } of settings) await note(key, value);
        await kernel.writeSysctls(settings);
      },
    },
    async restore() {
      const latestFirst = [...changes].reverse();
      for (const [key, { found, set }] of latestFirst)
        if ((await read(key)) === set) await kernel.writeSysctl(key, found);
      await rm(notesPath, { force: true });
    },
  };
}

/** The value; undefined when the kernel has no such key. */
function read(key: string): Promise<string | undefined> {
  return kernel.unless(["ENOENT"], kernel.readSysctl(key));
}

/** Such a setting goes away with its link. */
function isOfOneLink(key: string): boolean {
  const link = /^net[./]ipv[46][./](?:conf|neigh)[./](.+)[./]/.exec(key)?.[1];
  return link !== undefined && link !== "all" && link !== "default";
}

async function readNotes(path: string): Promise<Map<string, Change>> {
  const text = await readFile(path, "utf8").catch(() => "");
  // empty, too, when a power cut came between its making and its filling
  return new Map(text === "" ? [] : (JSON.parse(text) as [string, Change][]));
}
