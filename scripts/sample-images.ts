// npm run sample-images: makes busybox:latest and nginx:latest from Debian packages as OCI archives under
// .cache/images and loads them into the daemon at $DOCKER_HOST. What is there already is neither made nor loaded again.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { writeArchive } from "./sample/archive.ts";
import { busybox } from "./sample/busybox.ts";
import { daemonAddress, isAnswering, load, loadedId } from "./sample/load.ts";
import { nginx } from "./sample/nginx.ts";

const scripts = dirname(fileURLToPath(import.meta.url));
const cache = join(scripts, "..", ".cache", "images");
const images = { busybox, nginx };
type Name = keyof typeof images;

interface Stamp {
  /** Hash of the code that made the archive. */
  readonly recipe: string;
  readonly id: string;
}

const usage = `usage: sample-images [--no-load] [busybox] [nginx]
Makes OCI archives under .cache/images and loads them into the daemon at $DOCKER_HOST
(default unix:///var/run/docker.sock). With --no-load it only makes them.`;

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => !arg.startsWith("-"));
  const flags = args.filter((arg) => arg.startsWith("-"));
  if (flags.some((flag) => flag !== "--no-load") || names.some((name) => !(name in images))) {
    console.log(usage);
    return flags.some((flag) => flag === "-h" || flag === "--help") ? 0 : 125;
  }
  const chosen = (names.length > 0 ? names : Object.keys(images)) as Name[];
  const ids = new Map<Name, string>();
  for (const name of chosen) ids.set(name, await make(name));
  if (!flags.includes("--no-load")) await loadAll(ids);
  return 0;
}

/** Makes the archive unless the same recipe has made it before; answers the image id. */
async function make(name: Name): Promise<string> {
  const recipe = await recipeHash();
  const stampPath = join(cache, `${name}.json`);
  const stamp = await readStamp(stampPath);
  if (stamp?.recipe === recipe && existsSync(archiveOf(name))) return stamp.id;
  const started = performance.now();
  await mkdir(cache, { recursive: true });
  // its own: another one may make the same beside it
  const packages = join(cache, `packages-${process.pid}`);
  const built = await images[name](packages);
  const id = await writeArchive(archiveOf(name), built.recipe, built.rootfs);
  await writeFile(stampPath, JSON.stringify({ recipe, id } satisfies Stamp));
  await rm(packages, { recursive: true, force: true });
  console.log(`made ${shown(name)} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return id;
}

async function loadAll(ids: ReadonlyMap<Name, string>): Promise<void> {
  const daemon = daemonAddress();
  if (!(await isAnswering(daemon))) {
    const host = process.env.DOCKER_HOST || "unix:///var/run/docker.sock";
    console.log(`no daemon answers at ${host}; when one runs, load the images by hand:`);
    for (const name of ids.keys()) console.log(`  docker load -i ${shown(name)}`);
    return;
  }
  for (const [name, id] of ids) {
    if ((await loadedId(daemon, `${name}:latest`)) === id) console.log(`${name}:latest is loaded already`);
    else process.stdout.write(await load(daemon, archiveOf(name)));
  }
}

async function readStamp(path: string): Promise<Stamp | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Stamp;
  } catch {
    return undefined;
  }
}

async function recipeHash(): Promise<string> {
  const hash = createHash("sha256");
  const dir = join(scripts, "sample");
  for (const file of (await readdir(dir)).sort()) hash.update(await readFile(join(dir, file)));
  return hash.digest("hex");
}

const archiveOf = (name: string) => join(cache, `${name}.tar`);
const shown = (name: string) => relative(process.cwd(), archiveOf(name));

process.exitCode = await main(process.argv.slice(2));
