// Device nodes of the host as the specification wants them.

import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { invalid } from "../../util/errors.ts";
import type { OciDevice } from "./schema.ts";
import type { GrantedDevice } from "./spec-input.ts";

// Made anew for each container by runc; not the host's.
const skippedFolders = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);
const fileTypeBits = 0o170000;

/** Every device node under a folder, symbolic links not followed. */
export async function listDevices(folder: string): Promise<readonly OciDevice[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : await listDevices(path);
      if (entry.name === "console" || !(entry.isCharacterDevice() || entry.isBlockDevice())) return [];
      const device = await readDevice(path, path);
      return device ? [device] : [];
    }),
  );
  return found.flat();
}

/**
 * `--device hostPath[:containerPath[:rwm]]`, resolved: one node, or all of a folder's. Throws invalid with Docker's text
 * when the path is neither.
 */
export async function grantDevices(grant: {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly permissions: string;
}): Promise<readonly GrantedDevice[]> {
  const { hostPath, containerPath, permissions: access } = grant;
  const found = await stat(hostPath).catch((error: unknown) => {
    throw invalid(
      `error gathering device information while adding custom device "${hostPath}": no such file or directory`,
      error,
    );
  });
  if (found.isDirectory()) {
    const devices = await listDevices(hostPath);
    return devices.map((device) => ({
      device: { ...device, path: join(containerPath, device.path.slice(hostPath.length)) },
      access,
    }));
  }
  const device = await readDevice(hostPath, containerPath, true);
  if (!device)
    throw invalid(
      `error gathering device information while adding custom device "${hostPath}": not a device node`,
    );
  return [{ device, access }];
}

async function readDevice(path: string, as: string, follow = false): Promise<OciDevice | undefined> {
  const node = await (follow ? stat(path) : lstat(path)).catch(() => undefined);
  if (!node || !(node.isCharacterDevice() || node.isBlockDevice())) return undefined;
  return {
    type: node.isBlockDevice() ? "b" : "c",
    path: as,
    major: majorOf(node.rdev),
    minor: minorOf(node.rdev),
    fileMode: node.mode & ~fileTypeBits,
    uid: node.uid,
    gid: node.gid,
  };
}

// glibc's makedev: 12 bits of major number above 8 bits of minor number, the rest further up.
const majorOf = (device: number) => Math.floor(device / 2 ** 8) & 0xfff;
const minorOf = (device: number) => (device & 0xff) | (Math.floor(device / 2 ** 12) & 0xfff00);
