// Files that are bind-mounted into a container (hosts, resolv.conf): a mount shows an inode, so they are rewritten in
// place and never replaced. Callers hold the container's lock.

import { createHash } from "node:crypto";
import { type FileHandle, open, readFile, writeFile } from "node:fs/promises";
import { hasCode } from "../util/errors.ts";

/**
 * Rewrites a file in place, creating it when it is not there; writes nothing when nothing changes. The new text goes
 * over the old before the rest is cut off, so that a reader never finds the file empty.
 */
export async function editInPlace(path: string, edit: (text: string) => string): Promise<void> {
  // one descriptor for all of it: a container's connecting to a network waits for each call
  await using file = await openIfThere(path);
  if (!file) return await writeFile(path, edit(""), { mode: 0o644 });
  const before = await file.readFile();
  const text = before.toString();
  const edited = edit(text);
  if (edited === text) return;
  const after = Buffer.from(edited);
  await file.write(after, 0, after.length, 0);
  if (after.length < before.length) await file.truncate(after.length);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Writes a generated file unless somebody has edited it since: the digest of what was generated is kept beside it in
 * `<path>.hash`, as Docker does. Answers whether the file now has this text.
 */
export async function writeGenerated(path: string, text: string): Promise<boolean> {
  const [present, hash] = await Promise.all([readIfThere(path), readIfThere(`${path}.hash`)]);
  if (present !== undefined && hash !== undefined && digest(present) !== hash.trim()) return false;
  await editInPlace(path, () => text);
  await writeFile(`${path}.hash`, digest(text), { mode: 0o600 });
  return true;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}
