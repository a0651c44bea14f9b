// A shim that starts a process waits for a reader of its outputs, and answers nothing else meanwhile. If who asked for the
// start is gone, the one who comes after must open them, or the whole container stands still.

import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * Opens every process's outputs under `root`, of all containers, and reads nothing: what is in them is for the one who
 * opens them again. Standard inputs are left alone, for closing one would end it.
 */
export async function openOutputs(root: string): Promise<AsyncDisposable> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  const outputs = entries.filter((entry) => entry.isFIFO() && /-std(out|err)$/.test(entry.name));
  const opened = await Promise.all(
    outputs.map(({ parentPath, name }) =>
      // the process may end, and its streams with it
      open(join(parentPath, name), constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined),
    ),
  );
  const files = opened.filter((file): file is FileHandle => file !== undefined);
  return { [Symbol.asyncDispose]: async () => void (await Promise.all(files.map((file) => file.close()))) };
}
