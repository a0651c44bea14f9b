// Where the project's own programs are: bin/ of the folder that this file, or the bundle it is in, belongs to.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Path of a program in bin/. @throws when the installation is not whole */
export function findProgram(name: string): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start, depth = 0; depth < 8; folder = dirname(folder), depth++) {
    const path = join(folder, "bin", name);
    if (existsSync(path)) return path;
  }
  throw new Error(`find ${name}: there is no bin/${name} above ${start}`);
}
