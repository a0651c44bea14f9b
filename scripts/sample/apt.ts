// Debian packages by name, with what they depend on, as if nothing were installed. Nothing on this machine changes
// but apt's own package lists, and those only where they are missing or stale.

import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };

/** Fetches the packages and their dependencies into `dir`, the ones that `skip` matches aside; answers the .deb paths by name. */
export async function fetchPackages(dir: string, names: readonly string[], skip: RegExp): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  try {
    return await fetchOnce(dir, names, skip);
  } catch {
    await run("apt-get", ["update", "-q"], { env });
    return await fetchOnce(dir, names, skip);
  }
}

/** The machine's own Debian architecture: `amd64`, `arm64`, … (the OCI names are the same for these). */
export async function debianArchitecture(): Promise<string> {
  return (await run("dpkg", ["--print-architecture"])).stdout.trim();
}

async function fetchOnce(dir: string, names: readonly string[], skip: RegExp): Promise<string[]> {
  const wanted = (await closure(dir, names)).filter((pkg) => !skip.test(pkg.name));
  const there = new Set(await readdir(dir));
  const missing = wanted.filter((pkg) => !there.has(pkg.file)).map((pkg) => `${pkg.name}=${pkg.version}`);
  if (missing.length > 0) {
    await run("apt-get", ["-q", "-o", "APT::Sandbox::User=root", "download", ...missing], { cwd: dir, env });
  }
  return wanted.map((pkg) => join(dir, pkg.file)).sort();
}

/** What apt would install on an empty machine: lines of `'uri' file size hash`. */
async function closure(dir: string, names: readonly string[]) {
  const status = join(dir, "status");
  await writeFile(status, "");
  const options = [
    `Dir::State::status=${status}`,
    `Dir::Cache::archives=${dir}/`,
    "APT::Install-Recommends=0",
    "Debug::NoLocking=1",
  ].flatMap((option) => ["-o", option]);
  const { stdout } = await run("apt-get", [...options, "-y", "--print-uris", "install", ...names], { env });
  return [...stdout.matchAll(/^'[^']+' ((\S+?)_(\S+)_\S+?\.deb) /gm)].map(
    ([, file = "", name = "", version = ""]) => ({
      file,
      name,
      version: decodeURIComponent(version),
    }),
  );
}
