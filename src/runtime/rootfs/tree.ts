// Reading files of a container's root file system from outside, without ever leaving it: paths are walked one name at a
// time over open folders, symbolic links are resolved inside the tree, and nothing but regular files is read. A process
// in the container that swaps names while we walk gains nothing: each step opens exactly the name that was looked at.

import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, readlink } from "node:fs/promises";
import { hasCode } from "../../util/errors.ts";

/** A root file system that can be read. */
export interface RootfsTree {
  /** The text of a file, undefined when it is absent, is no regular file or is larger than `limitBytes`. */
  readText(path: string, limitBytes?: number): Promise<string | undefined>;
}

/** Tells whether a folder of an overlay's layer hides what lower layers have there (`trusted.overlay.opaque` = y). */
export type IsOpaque = (path: string) => Promise<boolean> | boolean;

// Linux's O_PATH, which Node's constants lack: a handle that names a folder without opening it for reading.
const pathOnly = 0o10000000;
const maxLinks = 40;
const textLimitBytes = 1024 * 1024;

/** A merged tree: a mounted root file system, or `/proc/<pid>/root` of a running container. */
export function treeAt(root: string): RootfsTree {
  return new LayeredTree([root], () => false);
}

/** A folder as its layers have it, uppermost first. */
type Folder = readonly FileHandle[];

type Found =
  | { readonly kind: "folder"; readonly folder: Folder }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "file"; readonly in: FileHandle; readonly name: string }
  | { readonly kind: "absent" };

/** A tree of overlay layers, uppermost first, read as the kernel would merge it. */
export class LayeredTree implements RootfsTree {
  readonly #layers: readonly string[];
  readonly #isOpaque: IsOpaque;

  constructor(layers: readonly string[], isOpaque: IsOpaque) {
    this.#layers = layers;
    this.#isOpaque = isOpaque;
  }

  async readText(path: string, limitBytes = textLimitBytes): Promise<string | undefined> {
    await using opened = new OpenFolders();
    const roots = await Promise.all(this.#layers.map((layer) => opened.openRoot(layer)));
    const found = await this.#walk(roots, path, opened);
    return found?.kind === "file" ? await readRegular(found.in, found.name, limitBytes) : undefined;
  }

  async #walk(root: Folder, path: string, opened: OpenFolders): Promise<Found | undefined> {
    const stack: Folder[] = [root];
    const names = split(path).reverse();
    for (let links = 0; names.length > 0; ) {
      const name = names.pop() ?? "";
      if (name === "..") {
        if (stack.length > 1) stack.pop();
        continue;
      }
      const found = await this.#look(stack.at(-1) ?? root, name, opened);
      if (found.kind === "folder") stack.push(found.folder);
      if (found.kind === "absent") return undefined;
      if (found.kind === "file") return names.length === 0 ? found : undefined;
      if (found.kind === "link") {
        if (++links > maxLinks) return undefined;
        if (found.target.startsWith("/")) stack.length = 1;
        names.push(...split(found.target).reverse());
      }
    }
    return undefined;
  }

  /** One name in a folder, by the rules of overlayfs: the uppermost layer decides, folders merge down to an opaque one. */
  async #look(folder: Folder, name: string, opened: OpenFolders): Promise<Found> {
    const merged: FileHandle[] = [];
    for (const layer of folder) {
      const node = await statName(layer, name);
      if (!node) continue;
      if (isWhiteout(node)) break;
      if (!node.isDirectory()) {
        if (merged.length > 0) break;
        return node.isSymbolicLink() ? await readLink(layer, name) : { kind: "file", in: layer, name };
      }
      const inner = await opened.open(inside(layer, name));
      if (!inner) break;
      merged.push(inner);
      if (await this.#isOpaque(through(inner))) break;
    }
    return merged.length > 0 ? { kind: "folder", folder: merged } : { kind: "absent" };
  }
}

/** Folders held open during one walk. */
class OpenFolders implements AsyncDisposable {
  readonly #handles: FileHandle[] = [];

  /** The folder where a tree begins: the caller's word, so `/proc/<pid>/root`, itself a link, may be followed. */
  async openRoot(path: string): Promise<FileHandle> {
    const handle = await open(path, pathOnly | constants.O_DIRECTORY);
    this.#handles.push(handle);
    return handle;
  }

  async open(path: string): Promise<FileHandle | undefined> {
    const handle = await unlessAbsent(open(path, pathOnly | constants.O_DIRECTORY | constants.O_NOFOLLOW));
    if (handle) this.#handles.push(handle);
    return handle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }
}

const through = (folder: FileHandle) => `/proc/self/fd/${folder.fd}`;
const inside = (folder: FileHandle, name: string) => `${through(folder)}/${name}`;
const split = (path: string) => path.split("/").filter((name) => name !== "" && name !== ".");
const isWhiteout = (node: BigIntStats) => node.isCharacterDevice() && node.rdev === 0n;

async function statName(folder: FileHandle, name: string): Promise<BigIntStats | undefined> {
  return await unlessAbsent(lstat(inside(folder, name), { bigint: true }));
}

async function readLink(folder: FileHandle, name: string): Promise<Found> {
  const target = await unlessAbsent(readlink(inside(folder, name)));
  return target === undefined ? { kind: "absent" } : { kind: "link", target };
}

async function readRegular(
  folder: FileHandle,
  name: string,
  limitBytes: number,
): Promise<string | undefined> {
  // Without O_NONBLOCK a FIFO in the file's place would hold a thread for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  await using file = await unlessAbsent(open(inside(folder, name), flags));
  const node = await file?.stat();
  if (!file || !node?.isFile() || node.size > limitBytes) return undefined;
  return await file.readFile("utf8");
}

// A name may vanish or change its kind while we look; everything else (no more handles, an I/O error) must not read as
// "there is no such user".
const absentCodes = ["ENOENT", "ENOTDIR", "ELOOP", "EINVAL", "ENXIO", "ENAMETOOLONG"];

async function unlessAbsent<T>(step: Promise<T>): Promise<T | undefined> {
  try {
    return await step;
  } catch (error) {
    if (hasCode(error, ...absentCodes)) return undefined;
    throw error;
  }
}
