// tar archives out of and into the file system.

import {
  chmodSync,
  chownSync,
  closeSync,
  createReadStream,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { type Extract, extract, type Header, type Pack, pack } from "tar-stream";

type NewHeader = Partial<Header> & Pick<Header, "name">;

export interface UnpackOptions {
  readonly folder: string;
  /** Drop the archive's top folder: its contents are wanted. */
  readonly strip: boolean;
  /** A new name for the archive's top entry. */
  readonly rename: string | undefined;
}

/** Unpacks; returns the archive's length in bytes. Entries that would leave the folder are refused. */
export async function unpackTo(body: AsyncIterable<Buffer>, options: UnpackOptions): Promise<number> {
  let bytes = 0;
  const unpack = extract();
  const counted = async function* () {
    for await (const data of body) {
      bytes += data.length;
      yield data;
    }
  };
  const feeding = feed(unpack, counted());
  for await (const entry of unpack) {
    const path = targetPath(entry.header.name, options);
    const data = entry as AsyncIterable<Buffer>;
    if (path !== undefined) await writeEntry(path, { header: entry.header, body: data }, options.folder);
    entry.resume();
  }
  await feeding;
  return bytes;
}

/** Copies all of `source` into `sink` at the sink's pace. */
async function feed(
  sink: Extract | ReturnType<Pack["entry"]>,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  for await (const data of source) {
    if (sink.write(data)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        sink.off("drain", go);
        sink.off("close", go);
        resolve();
      };
      sink.on("drain", go);
      sink.on("close", go);
    });
  }
  sink.end(null);
}

function targetPath(name: string, { folder, strip, rename }: UnpackOptions): string | undefined {
  const parts = name.split("/").filter((part) => part !== "");
  const top = parts[0];
  if (top === "." || strip) parts.shift();
  else if (rename !== undefined && parts.length > 0) parts[0] = rename;
  if (parts.length === 0) {
    mkdirSync(folder, { recursive: true });
    return undefined;
  }
  const path = join(folder, ...parts);
  if (relative(folder, path).startsWith(`..${sep}`))
    throw new Error(`archive entry ${name} leaves the destination`);
  return path;
}

async function writeEntry(
  path: string,
  entry: { header: Header; body: AsyncIterable<Buffer> },
  folder: string,
): Promise<void> {
  const { header } = entry;
  checkParents(path, folder);
  mkdirSync(dirname(path), { recursive: true });
  const isFolder = header.type === "directory";
  if (!isFolder) rmSync(path, { force: true });
  if (isFolder) mkdirSync(path, { recursive: true });
  else if (header.type === "symlink") return symlinkSync(header.linkname ?? "", path);
  else if (header.type === "link") return linkSync(join(folder, header.linkname ?? ""), path);
  else if (header.type === "file" || header.type === "contiguous-file") await writeFile(path, entry.body);
  else return; // devices and pipes are not made here
  if (process.getuid?.() === 0) chownSync(path, header.uid ?? 0, header.gid ?? 0);
  chmodSync(path, (header.mode ?? 0o644) & 0o7777);
  if (header.mtime) utimesSync(path, header.mtime, header.mtime);
}

/** No entry is written through a symbolic link that an earlier one made. */
function checkParents(path: string, folder: string): void {
  for (let at = dirname(path); at.length > folder.length; at = dirname(at)) {
    if (existsSync(at) && lstatSync(at).isSymbolicLink())
      throw new Error(`archive entry ${path} lies behind a link`);
  }
}

async function writeFile(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  const fd = openSync(path, "wx");
  try {
    for await (const data of body) for (let at = 0; at < data.length; ) at += writeSync(fd, data, at);
  } finally {
    closeSync(fd);
  }
}

export interface Packed {
  readonly body: AsyncIterable<Uint8Array>;
  /** Bytes sent so far. */
  bytes(): number;
}

/** An archive of a file or folder under a name of choice; `contents` packs what is in the folder. */
export function packPath(path: string, options: { name: string; contents: boolean }): Packed {
  const archive = pack();
  let bytes = 0;
  const filling = fill(archive, path, options);
  filling.then(
    () => archive.finalize(),
    (error: Error) => archive.destroy(error),
  );
  const body = async function* () {
    for await (const data of archive as AsyncIterable<Buffer>) {
      bytes += data.length;
      yield data;
    }
  };
  return { body: body(), bytes: () => bytes };
}

async function fill(
  archive: Pack,
  path: string,
  options: { name: string; contents: boolean },
): Promise<void> {
  if (!options.contents) return addPath(archive, path, options.name);
  for (const child of readdirSync(path).toSorted()) await addPath(archive, join(path, child), child);
}

async function addPath(archive: Pack, path: string, name: string): Promise<void> {
  const stat = lstatSync(path);
  const header = headerOf(stat, name);
  if (stat.isSymbolicLink())
    return entry(archive, { ...header, type: "symlink", linkname: readlinkSync(path) });
  if (stat.isDirectory()) {
    await entry(archive, { ...header, name: `${name}/`, type: "directory" });
    for (const child of readdirSync(path).toSorted())
      await addPath(archive, join(path, child), `${name}/${child}`);
  } else if (stat.isFile()) {
    const slot = archive.entry({ ...header, type: "file", size: stat.size });
    await feed(slot, createReadStream(path));
  }
}

function headerOf(stat: Stats, name: string): NewHeader {
  return { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime };
}

function entry(archive: Pack, header: NewHeader): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, "", (error) => (error ? reject(error) : resolve()));
  });
}
