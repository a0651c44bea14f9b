// Where plugins are: sockets and files in well-known folders, as Docker looks for them (pkg/plugins/discovery*.go).

import type { Stats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorMessage, invalid } from "../util/errors.ts";

export interface PluginFolders {
  /** Plugins' sockets: `NAME.sock` and `NAME/NAME.sock`. */
  readonly sockets: string;
  /** Folders of files that say where a plugin is: `NAME.spec` and `NAME.json`, looked through in order. */
  readonly specs: readonly string[];
}

/** Docker's; plugins put themselves there. */
export const dockerFolders: PluginFolders = {
  sockets: "/run/docker/plugins",
  specs: ["/etc/docker/plugins", "/usr/lib/docker/plugins"],
};

export interface PluginTls {
  readonly isVerified: boolean;
  /** Paths of PEM files. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export type PluginAddress =
  | {
      readonly kind: "unix";
      readonly path: string;
      /** Of the socket: another one after a plugin has started anew. Absent: nobody has made it yet. */
      readonly born?: string;
    }
  | { readonly kind: "http"; readonly host: string; readonly port: number; readonly tls?: PluginTls };

/** The first place where a plugin of this name is said to be. @throws invalid for a file that makes no sense */
export async function findPlugin(
  name: string,
  { sockets, specs }: PluginFolders,
): Promise<PluginAddress | undefined> {
  if (!isPluginName(name)) return undefined;
  for (const path of [join(sockets, `${name}.sock`), join(sockets, name, `${name}.sock`)]) {
    const found = await statOf(path);
    if (found?.isSocket()) return { kind: "unix", path, born: birthOf(found) };
  }
  for (const folder of specs)
    for (const file of [`${name}.spec`, `${name}/${name}.spec`, `${name}.json`, `${name}/${name}.json`]) {
      const path = join(folder, file);
      const text = await textOf(path);
      if (text !== undefined)
        return await withBirth(path.endsWith(".spec") ? fromSpec(path, text) : fromJson(path, text));
    }
  return undefined;
}

/** Names of all plugins that say where they are. */
export async function listPlugins({ sockets, specs }: PluginFolders): Promise<string[]> {
  const names = new Set<string>();
  for (const [folder, endings] of [
    [sockets, [".sock"]] as const,
    ...specs.map((folder) => [folder, [".spec", ".json"]] as const),
  ]) {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const ending = endings.find((own) => entry.name.endsWith(own));
      const name = ending ? basename(entry.name, ending) : entry.name;
      const isThere =
        ending !== undefined ||
        (entry.isDirectory() && (await anyOf(endings.map((own) => join(folder, name, name + own)))));
      if (isThere && isPluginName(name)) names.add(name);
    }
  }
  return [...names].toSorted();
}

/** What can be a file's name, and is no way out of the folder. */
function isPluginName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name);
}

async function anyOf(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (await statOf(path)) return true;
  return false;
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}

async function withBirth(address: PluginAddress): Promise<PluginAddress> {
  const found = address.kind === "unix" ? await statOf(address.path) : undefined;
  return address.kind === "unix" && found ? { ...address, born: birthOf(found) } : address;
}

/** By inode and birth: an inode is used again at once. */
function birthOf({ ino, birthtimeMs }: Stats): string {
  return `${ino} ${birthtimeMs}`;
}

/** One line: a URL with its scheme. */
function fromSpec(path: string, text: string): PluginAddress {
  // Docker checks nobody's certificate here
  return parsePluginUrl(path, text.trim(), { isVerified: false });
}

function fromJson(path: string, text: string): PluginAddress {
  const { Addr, TLSConfig = {} } = readJson(path, text);
  if (typeof Addr !== "string") throw invalid(`${path}: Addr is missing`);
  const { InsecureSkipVerify, CAFile, CertFile, KeyFile } = TLSConfig;
  const file = (key: string, value: unknown) => {
    if (value === undefined || value === "") return undefined;
    if (typeof value !== "string") throw invalid(`${path}: TLSConfig.${key} is not a path`);
    return value;
  };
  const [ca, cert, key] = [file("CAFile", CAFile), file("CertFile", CertFile), file("KeyFile", KeyFile)];
  return parsePluginUrl(path, Addr, {
    isVerified: ca !== undefined && InsecureSkipVerify !== true,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
}

interface SpecFile {
  readonly Addr?: unknown;
  readonly TLSConfig?: Readonly<Record<string, unknown>>;
}

function readJson(path: string, text: string): SpecFile {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw invalid(`${path}: ${errorMessage(error)}`);
  }
  throw invalid(`${path}: not an object`);
}

function parsePluginUrl(path: string, text: string, tls: PluginTls): PluginAddress {
  const unix = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (unix) return { kind: "unix", path: unix };
  const url = /^(tcp|http|https):\/\//.test(text) ? URL.parse(text.replace(/^tcp:/, "http:")) : null;
  if (!url?.hostname)
    throw invalid(
      `${path}: ${JSON.stringify(text)} is no address: unix:///path, tcp://host:port or https://host:port`,
    );
  const isTls = url.protocol === "https:";
  const port = url.port === "" ? (isTls ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { kind: "http", host, port, ...(isTls && { tls }) };
}
