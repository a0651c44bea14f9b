// The sample images as archives; made when they are missing.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

export type Image = "busybox" | "nginx";

const project = join(import.meta.dirname, "..", "..");

/** The archive's bytes. */
export async function imageArchive(name: Image): Promise<Buffer> {
  const path = join(project, ".cache", "images", `${name}.tar`);
  if (!existsSync(path)) {
    const made = await run(join(project, "scripts", "sample-images"), ["--no-load", name], {
      timeoutMs: 240_000,
    });
    if (made.code !== 0) throw new Error(`make the ${name} image: ${made.stderr}${made.stdout}`);
  }
  return await readFile(path);
}
