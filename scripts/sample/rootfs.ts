// A root file system as a sorted map from path to tar entry: built in memory, so neither root nor a chroot is needed
// and the same entries always give the same bytes.

import { spawn } from "node:child_process";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Header, pack } from "tar-stream";
import { tarEntries } from "../../src/image/tar.ts";

interface Entry {
  readonly header: Partial<Header> & Pick<Header, "name">;
  readonly body: Buffer | undefined;
}

/** The time stamp of everything that no package dates: Debian 12's release. */
export const epoch = new Date("2023-06-10T00:00:00Z");

const merged = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

export class Rootfs {
  readonly #entries = new Map<string, Entry>();

  /** A directory; its parents are made with mode 755 where they are missing. */
  dir(path: string, mode = 0o755, owner: { uid?: number; gid?: number } = {}): this {
    this.#put(path, { type: "directory", mode, ...owner });
    return this;
  }

  file(path: string, body: Buffer | string, mode = 0o644): this {
    this.#put(path, { type: "file", mode }, Buffer.from(body));
    return this;
  }

  symlink(path: string, target: string): this {
    this.#put(path, { type: "symlink", mode: 0o777, linkname: target });
    return this;
  }

  hardlink(path: string, target: string): this {
    this.#put(path, { type: "link", mode: 0o755, linkname: clean(target) });
    return this;
  }

  read(path: string): Buffer {
    const body = this.#entries.get(clean(path))?.body;
    if (!body) throw new Error(`read ${path} from the image: no such file`);
    return body;
  }

  /** Lays the files of a Debian package over what is there; `keep` says which paths are wanted. */
  async addPackage(deb: string, keep: (path: string) => boolean): Promise<void> {
    const child = spawn("dpkg-deb", ["--fsys-tarfile", deb], { stdio: ["ignore", "pipe", "inherit"] });
    const exit = new Promise<number | null>((done) => child.once("close", done));
    await this.#addTar(child.stdout, keep);
    if ((await exit) !== 0) throw new Error(`unpack ${deb}: dpkg-deb failed`);
  }

  /** The whole tree as one tar, sorted by path. */
  async tar(): Promise<Buffer> {
    const out = pack();
    const bytes = buffer(out);
    const entries = [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1));
    // A hard link may only follow its target.
    const links = entries.filter(([, entry]) => entry.header.type === "link");
    for (const [, entry] of [...entries.filter(([, e]) => e.header.type !== "link"), ...links]) {
      if (entry.body) out.entry(entry.header, entry.body);
      else out.entry(entry.header).end(null);
    }
    out.finalize();
    return bytes;
  }

  async #addTar(tar: Readable, keep: (path: string) => boolean): Promise<void> {
    for await (const entry of tarEntries(tar)) {
      const body = await buffer(entry.body);
      const path = mergeUsr(clean(entry.header.name));
      if (path === "" || !keep(path)) continue;
      if (entry.header.type === "directory" && this.#entries.has(path)) continue;
      const { type, mode, uid, gid, mtime, linkname } = entry.header;
      const target = linkname && type === "link" ? mergeUsr(clean(linkname)) : linkname;
      const fields = { mode: mode ?? 0o644, uid: uid ?? 0, gid: gid ?? 0, mtime: mtime ?? epoch };
      this.#put(
        path,
        { type: type ?? "file", ...fields, ...(target ? { linkname: target } : {}) },
        type === "file" ? body : undefined,
      );
    }
  }

  #put(name: string, fields: Partial<Header>, body?: Buffer): void {
    const path = clean(name);
    const parent = posix.dirname(path);
    if (parent !== "." && !this.#entries.has(parent)) this.dir(parent);
    const header = { uid: 0, gid: 0, mtime: epoch, ...fields, name: path, size: body?.length ?? 0 };
    this.#entries.set(path, { header, body });
  }
}

function clean(path: string): string {
  return posix.normalize(path).replace(/^(\.?\/)+|\/$|^\.$/g, "");
}

/** Debian 12 packages still ship /bin and /lib; the merged tree keeps them under /usr behind symlinks. */
function mergeUsr(path: string): string {
  const first = path.split("/", 1)[0] ?? "";
  return merged.includes(first) && path !== first ? `usr/${path}` : path;
}
