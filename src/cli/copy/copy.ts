// The two directions of cp. Which name a copy gets depends, as with cp(1), on whether the destination is there and
// is a folder, and on `/.` at the end of the source ("the contents of").

import { existsSync, lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { ApiError } from "../errors.ts";
import { goFileError } from "../options/key-values.ts";
import type { Session } from "../session.ts";
import { packPath, unpackTo } from "./archive.ts";

export interface CopyOptions {
  /** Path of the container's archive endpoint. */
  readonly archive: string;
  readonly from: string;
  readonly to: string;
  readonly followLink: boolean;
  readonly keepOwners: boolean;
}

export interface CopyReport {
  readonly bytes: number;
  readonly place: string;
}

interface ContainerPath {
  readonly name: string;
  readonly isFolder: boolean;
  readonly isLink: boolean;
  readonly linkTarget: string;
}

const wantsContents = (path: string) => path.endsWith("/.") || path === ".";
const saysFolder = (path: string) => path.endsWith("/") || wantsContents(path);

/** Container to here, or to stdout for "-". */
export async function copyOut(session: Session, options: CopyOptions): Promise<CopyReport | undefined> {
  let source = options.from;
  if (options.to !== "-") checkLocalFolder(options.to);
  if (options.followLink) source = await linkTarget(session, options.archive, source);
  const response = await session.client.send("GET", options.archive, { query: { path: source } });
  if (options.to === "-") {
    for await (const data of response.body) session.out.write(data);
    return undefined;
  }
  const stat = parseStat(response.headers.get("x-docker-container-path-stat"));
  const target = resolve(options.to);
  const place = localPlace(source, { isFolder: stat.isFolder, to: options.to });
  const originalName = options.followLink ? basename(options.from) : undefined;
  const rename = place.rename ?? (originalName === stat.name ? undefined : originalName);
  const bytes = await unpackTo(response.body, {
    folder: place.folder,
    strip: wantsContents(source) && stat.isFolder,
    rename: wantsContents(source) ? undefined : rename,
  });
  return { bytes, place: target };
}

function checkLocalFolder(path: string): void {
  const folder = dirname(resolve(path));
  if (!existsSync(folder))
    throw new Error(`invalid output path: directory ${JSON.stringify(folder)} does not exist`);
}

/** Where to unpack, and under what name. */
function localPlace(
  source: string,
  options: { isFolder: boolean; to: string },
): { folder: string; rename?: string } {
  const target = resolve(options.to);
  const there = existsSync(target) ? statSync(target) : undefined;
  if (there?.isDirectory()) return { folder: target };
  if (there && options.isFolder) throw new Error("cannot copy directory");
  if (there && saysFolder(options.to)) throw new Error("not a directory");
  if (!there && !options.isFolder && saysFolder(options.to)) {
    throw new Error("no such directory");
  }
  // What is not there yet becomes the copy: contents go into it, anything else is renamed to it.
  if (options.isFolder && wantsContents(source)) return { folder: target };
  return { folder: dirname(target), rename: basename(target) };
}

/** Here to a container; "-" is a tar archive on stdin. */
export async function copyIn(
  session: Session,
  options: CopyOptions & { readonly container: string },
): Promise<CopyReport | undefined> {
  const { container } = options;
  const { path: target, stat } = await resolveTarget(session, options);
  if (options.from === "-") {
    if (!stat?.isFolder) throw new Error(`destination "${container}:${options.to}" must be a directory`);
    await put(session, options, target, process.stdin);
    return undefined;
  }
  const source = localSource(options);
  if (saysFolder(options.from) && !source.isFolder) throw new Error("not a directory");
  const place = containerPlace(source, { target, stat, said: options.to });
  const packed = packPath(source.path, { name: place.name, contents: place.contents });
  await put(session, options, place.folder, packed.body);
  return { bytes: packed.bytes(), place: `${container}:${target}` };
}

interface LocalSource {
  readonly path: string;
  readonly isFolder: boolean;
  readonly contents: boolean;
}

function localSource(options: CopyOptions): LocalSource {
  const path = resolve(options.from);
  try {
    const real = options.followLink || saysFolder(options.from) ? realpathSync(path) : path;
    const isFolder = lstatSync(real).isDirectory();
    return { path: real, isFolder, contents: wantsContents(options.from) };
  } catch (error) {
    throw goFileError("lstat", path, error);
  }
}

function containerPlace(
  source: LocalSource,
  to: { target: string; stat: ContainerPath | undefined; said: string },
): { folder: string; name: string; contents: boolean } {
  if (to.stat?.isFolder) return { folder: to.target, name: basename(source.path), contents: source.contents };
  if (to.stat && source.isFolder) throw new Error("cannot copy directory");
  if (!source.isFolder && saysFolder(to.said)) {
    throw new Error(to.stat ? "not a directory" : "no such directory");
  }
  const target = to.target.replace(/\/+\.?$/, "");
  return { folder: dirname(target), name: basename(target), contents: false };
}

async function put(
  session: Session,
  options: CopyOptions,
  folder: string,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const query = {
    path: folder,
    noOverwriteDirNonDir: "true",
    copyUIDGID: options.keepOwners ? "true" : undefined,
  };
  const response = await session.client.send("PUT", options.archive, {
    query,
    body,
    headers: { "Content-Type": "application/x-tar" },
  });
  for await (const _ of response.body);
}

async function resolveTarget(
  session: Session,
  options: CopyOptions,
): Promise<{ path: string; stat: ContainerPath | undefined }> {
  const stat = await statPath(session, options.archive, options.to);
  if (!stat?.isLink) return { path: options.to, stat };
  const path = joinLink(options.to, stat.linkTarget);
  return { path, stat: await statPath(session, options.archive, path) };
}

async function linkTarget(session: Session, archive: string, path: string): Promise<string> {
  const stat = await statPath(session, archive, path);
  return stat?.isLink ? joinLink(path, stat.linkTarget) : path;
}

function joinLink(path: string, target: string): string {
  return isAbsolute(target) ? target : join(dirname(path), target);
}

/** undefined when the path is not there. */
async function statPath(session: Session, archive: string, path: string): Promise<ContainerPath | undefined> {
  try {
    const response = await session.client.send("HEAD", archive, { query: { path } });
    for await (const _ of response.body);
    return parseStat(response.headers.get("x-docker-container-path-stat"));
  } catch (error) {
    if (error instanceof ApiError) return undefined; // the copy itself will say so
    throw error;
  }
}

/** Go's file mode: bit 31 is a folder, bit 27 a symbolic link. */
function parseStat(header: string | undefined): ContainerPath {
  const json = Buffer.from(header ?? "e30=", "base64").toString("utf8");
  const stat = JSON.parse(json) as { name?: string; mode?: number; linkTarget?: string };
  const mode = stat.mode ?? 0;
  return {
    name: stat.name ?? "",
    isFolder: Math.floor(mode / 2 ** 31) % 2 === 1,
    isLink: Math.floor(mode / 2 ** 27) % 2 === 1,
    linkTarget: stat.linkTarget ?? "",
  };
}
