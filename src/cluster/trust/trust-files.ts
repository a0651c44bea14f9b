// A host's keys and certificates on disk. Files are the owner's alone, and replaced as a whole: etcd reads them at every
// handshake, so a key and its certificate are one file.

import { chmod, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, internal } from "../../util/errors.ts";

/** What a host has to prove who it is and to know others by. All PEM. */
export interface Credentials {
  /** The authority's certificate. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export interface TrustPaths {
  readonly authority: string;
  /** Key and certificate in one. */
  readonly host: string;
  /** The list of certificates that are no longer good; members have one. */
  readonly revoked: string;
}

/** Owns nothing but the names of the files in `folder`. */
export class TrustFiles {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** For programs that read the files themselves. */
  get paths(): TrustPaths {
    const path = (name: string) => join(this.folder, name);
    return { authority: path("authority.pem"), host: path("host.pem"), revoked: path("revoked.pem") };
  }

  /** @throws internal when a file is damaged; undefined: this host has none */
  async read(): Promise<Credentials | undefined> {
    const [authority, host] = await Promise.all([
      readSecret(this.paths.authority),
      readSecret(this.paths.host),
    ]);
    if (authority === undefined || host === undefined) return undefined;
    const [key, certificate] = [section(host, "PRIVATE KEY"), section(host, "CERTIFICATE")];
    if (!key || !certificate)
      throw internal(`read ${this.paths.host}: it should hold a private key and a certificate`);
    return { authority, certificate, key };
  }

  async write({ authority, certificate, key }: Credentials): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    await chmod(this.folder, 0o700);
    await writeSecret(this.paths.authority, authority);
    await writeSecret(this.paths.host, `${key.trimEnd()}\n${certificate.trimEnd()}\n`);
  }

  /** The authority's key; undefined on a plain node. */
  async readAuthorityKey(): Promise<string | undefined> {
    return await readSecret(this.#authorityKey);
  }

  async writeAuthorityKey(key: string): Promise<void> {
    await writeSecret(this.#authorityKey, key);
  }

  async removeAuthorityKey(): Promise<void> {
    await rm(this.#authorityKey, { force: true });
  }

  async writeRevocations(list: string): Promise<void> {
    await writeSecret(this.paths.revoked, list);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  get #authorityKey(): string {
    return join(this.folder, "authority.key");
  }
}

/** Refuses what others could have read or written: a key that is no secret is worse than none. */
async function readSecret(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0)
      throw internal(
        `read ${path}: others may use this file (mode ${(mode & 0o777).toString(8)}): chmod 600 it`,
      );
    return await readFile(path, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function writeSecret(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  // a file that a crash left would keep its mode
  await rm(next, { force: true });
  await using file = await open(next, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
  await rename(next, path);
}

function section(pem: string, name: string): string | undefined {
  return new RegExp(`-----BEGIN ${name}-----[^-]+-----END ${name}-----\n?`).exec(pem)?.[0];
}
