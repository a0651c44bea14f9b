// What a plugin must not forget, in one JSON file: written beside it and moved over it, so that it is always whole.

import { mkdirSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Records by key; reads are from memory. */
export interface Notes<T> {
  get(key: string): T | undefined;
  set(key: string, value: T): Promise<void>;
  delete(key: string): Promise<void>;
}

/** Opens a file of notes; one that is not there is an empty one. */
export function openNotes<T>(path: string): Notes<T> {
  const notes = new Map<string, T>(Object.entries(read(path)));
  mkdirSync(dirname(path), { recursive: true });
  let writing: Promise<void> = Promise.resolve();
  // one after the other; each writes what is there when its turn comes
  const write = () => {
    writing = writing
      .catch(() => undefined)
      .then(async () => {
        await writeFile(`${path}.new`, JSON.stringify(Object.fromEntries(notes)));
        await rename(`${path}.new`, path);
      });
    return writing;
  };
  return {
    get: (key) => notes.get(key),
    set: (key, value) => {
      notes.set(key, value);
      return write();
    },
    delete: async (key) => {
      if (notes.delete(key)) await write();
    },
  };
}

function read(path: string): object {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
}
