// Which file a driver package is: a file, a folder, or a package's name, as an operator writes it.

import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { errorMessage, invalid, notFound } from "../../util/errors.ts";

const indexFiles = ["index.ts", "index.mts", "index.js", "index.mjs"];
/** Conditions of `exports` that hold here (nodejs.org/api/packages.html#conditional-exports). */
const conditions = ["node", "import", "module-sync", "default"];

/**
 * The file of a driver's module. `/…`, `./…` and `../…` are paths, of a file or of a folder with a package in it;
 * anything else is the name of a package in `node_modules` of `from`, of a folder above it, or among those that are
 * installed for the whole machine.
 * @throws not-found, invalid with the reason
 */
export async function findDriverModule(spec: string, from: string): Promise<string> {
  if (spec === "") throw invalid("no module is named");
  if (isPath(spec)) return await moduleAt(resolve(from, spec));
  const places = packagePlaces(from);
  for (const place of places) {
    const folder = join(place, spec);
    if (await statOf(folder)) return await moduleAt(folder);
  }
  throw notFound(
    `there is no package ${spec} in ${places.join(", ")} (a file or folder is named by a path that begins with / or ./)`,
  );
}

function isPath(spec: string): boolean {
  return isAbsolute(spec) || /^\.\.?(\/|$)/.test(spec);
}

/** Folders of packages: those above the folder, then those of `npm install -g`. */
function packagePlaces(from: string): string[] {
  const places: string[] = [];
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    places.push(join(folder, "node_modules"));
    if (folder === dirname(folder)) break;
  }
  const global = ["/usr/local/lib/node_modules", "/usr/lib/node_modules"];
  const ofNode = join(dirname(dirname(process.execPath)), "lib", "node_modules");
  return [...new Set([...places, ofNode, ...global])];
}

/** Links are followed: a package under development that is linked into `node_modules` is where it really is. */
async function moduleAt(path: string): Promise<string> {
  const found = await statOf(path);
  if (!found) throw notFound(`${path}: no such file or folder`);
  return await realpath(found.isDirectory() ? await entryOf(path) : path);
}

async function entryOf(folder: string): Promise<string> {
  const named = await namedEntry(folder);
  const candidates = named === undefined ? indexFiles : [named];
  for (const name of candidates) {
    const path = join(folder, name);
    if ((await statOf(path))?.isFile()) return path;
  }
  throw notFound(
    named === undefined
      ? `${folder}: its package.json names no entry ("exports" or "main"), and there is no ${indexFiles.join(", ")}`
      : `${folder}: package.json names ${named}, and there is no such file (has it been built? a source is named by its own path)`,
  );
}

async function namedEntry(folder: string): Promise<string | undefined> {
  const path = join(folder, "package.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  let described: { readonly exports?: unknown; readonly main?: unknown };
  try {
    described = JSON.parse(text);
  } catch (error) {
    throw invalid(`${path}: ${errorMessage(error)}`);
  }
  return targetOf(described.exports) ?? (typeof described.main === "string" ? described.main : undefined);
}

/** The package's main entry among its `exports`. */
function targetOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return undefined;
  const entries = new Map<string, unknown>(Object.entries(value));
  if (entries.has(".")) return targetOf(entries.get("."));
  for (const [condition, target] of entries) {
    const found = conditions.includes(condition) ? targetOf(target) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

async function statOf(path: string) {
  return await stat(path).catch(() => undefined);
}
