// The programs that tests start, bundled once for each run: a daemon that Node reads file by file takes five times as
// much of the processor to start, and tests start hundreds. This is vitest's set-up for all of them.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of tsdockerd.mjs and the others. */
    readonly programs: string;
  }
}

const root = join(import.meta.dirname, "..");
const bundles = join(root, ".cache", "test-programs");
const entries = [
  "src/main.ts",
  "src/proxy/main.ts",
  "test/e2e/wire-program.ts",
  "test/lab/cluster/member-agent.ts",
];
const keptMs = 86_400_000;

export async function setup({ provide }: TestProject): Promise<void> {
  await mkdir(bundles, { recursive: true });
  const made = join(bundles, `making-${process.pid}`);
  await promisify(execFile)(process.execPath, ["scripts/bundle.mjs", made, ...entries], { cwd: root });
  // by what is in them: another run beside this one may have other sources, and the compile cache knows them again
  const folder = join(bundles, await digest(made));
  await rename(made, folder).catch(() => rm(made, { recursive: true }));
  await utimes(folder, new Date(), new Date());
  await forgetOld();
  provide("programs", folder);
  // for all that Node starts from here: programs that are not bundled, and vitest's own processes
  process.env.NODE_COMPILE_CACHE = join(folder, "compile-cache");
}

async function digest(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(folder)).sort()) hash.update(await readFile(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}

async function forgetOld(): Promise<void> {
  for (const name of await readdir(bundles)) {
    const { mtimeMs } = await stat(join(bundles, name));
    if (Date.now() - mtimeMs > keptMs) await rm(join(bundles, name), { recursive: true, force: true });
  }
}
