// Lends a container's root file system by mounting it for a moment.

import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { addon } from "../../native/index.ts";
import type { RootfsAccess } from "../engine/index.ts";
import type { Mount } from "../runtime/index.ts";
import { internal } from "../util/errors.ts";

// mount(2), umount2(2)
const flagsOf: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  bind: 4096,
  rbind: 4096 | 16384,
};
const detach = 2;

export function rootfsAccess(execRoot: string): RootfsAccess {
  return {
    async with(mounts, work) {
      const [mount, ...more] = mounts;
      if (!mount || more.length > 0)
        throw internal(`mount a root file system: ${mounts.length} mounts, one is wanted`);
      const target = await mkdtemp(join(execRoot, "rootfs-"));
      try {
        await mountAt(mount, target);
        try {
          return await work(target);
        } finally {
          await addon().unmount(target, detach);
        }
      } finally {
        await rmdir(target);
      }
    },
  };
}

function mountAt({ type, source, options }: Mount, target: string): Promise<void> {
  const flags = options.reduce((sum, option) => sum | (flagsOf[option] ?? 0), 0);
  const data = options.filter((option) => !(option in flagsOf) && option !== "rw").join(",");
  return addon().mount(source, target, type, flags, data);
}
