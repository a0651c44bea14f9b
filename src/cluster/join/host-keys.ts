// This host's keys in its cluster: its certificate, and on a member the authority's key too. In memory and on disk.

import { join } from "node:path";
import { conflict, internal, notFound } from "../../util/errors.ts";
import {
  type Authority,
  type Credentials,
  checkHostCertificate,
  createAuthority,
  createRequest,
  createRevocationList,
  type HostRole,
  readAuthority,
  readHostCertificate,
  signRequest,
  TrustFiles,
} from "../trust/index.ts";
import { addressOf } from "./admission.ts";

/** Whose keys they are. */
export interface KeyHolder {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: HostRole;
  /** In text. */
  readonly address: string;
}

/** Owns the folder with the keys. */
export class HostKeys {
  readonly files: TrustFiles;
  readonly #now: () => Date;
  #credentials: Credentials | undefined;

  constructor(folder: string, now: () => Date) {
    this.files = new TrustFiles(join(folder, "trust"));
    this.#now = now;
  }

  get credentials(): Credentials | undefined {
    return this.#credentials;
  }

  /** @throws conflict when there are none */
  get(): Credentials {
    if (!this.#credentials) throw conflict("this host has no certificate of a cluster");
    return this.#credentials;
  }

  /** Those on disk, if they are good. A member makes itself a new certificate when the old one has expired. */
  async load(holder: KeyHolder): Promise<void> {
    const found = await this.files.read();
    if (!found)
      throw notFound(`read ${this.files.folder}: this host's certificate is missing: join the cluster again`);
    if (readAuthority(found.authority).clusterId !== holder.clusterId)
      throw conflict(`read ${this.files.folder}: the keys are of another cluster than ${holder.clusterId}`);
    this.#credentials = found;
    if (holder.role === "node") checkHostCertificate(found.certificate, found.authority, this.#now());
    else if (readHostCertificate(found.certificate).notAfter < this.#now())
      await this.#issueOwn(await this.authority(), holder);
  }

  /** A new cluster's: its authority, and a member's certificate. */
  async found(holder: KeyHolder): Promise<void> {
    const authority = await createAuthority(holder.clusterId, { now: this.#now() });
    await this.#issueOwn(authority, holder);
    await this.keepAuthority(authority.key);
  }

  async adopt(credentials: Credentials): Promise<void> {
    await this.files.write(credentials);
    this.#credentials = credentials;
  }

  /** Another certificate of the same authority. */
  async replace(certificate: string, key: string): Promise<void> {
    await this.adopt({ authority: this.get().authority, certificate, key });
  }

  /** What makes a host able to admit others. */
  async keepAuthority(key: string): Promise<void> {
    await this.files.writeAuthorityKey(key);
    await this.revoke([]);
  }

  async dropAuthority(): Promise<void> {
    await this.files.removeAuthorityKey();
  }

  /** The authority with its key, on a member. @throws internal when the key is missing */
  async authority(): Promise<Authority> {
    const key = await this.files.readAuthorityKey();
    if (!key) throw internal(`read ${this.files.folder}: the authority's key is missing on this member`);
    return { certificate: this.get().authority, key };
  }

  /** What this member's etcd refuses from now on: all of them. Serials in hexadecimal. */
  async revoke(serials: readonly string[]): Promise<void> {
    await this.files.writeRevocations(
      await createRevocationList(await this.authority(), serials, this.#now()),
    );
  }

  async remove(): Promise<void> {
    this.#credentials = undefined;
    await this.files.remove();
  }

  async #issueOwn(authority: Authority, holder: KeyHolder): Promise<void> {
    const { request, key } = await createRequest(holder.nodeId);
    const subject = { ...holder, addresses: [addressOf(holder)] };
    const certificate = await signRequest(authority, request, subject, { now: this.#now() });
    await this.adopt({ authority: authority.certificate, certificate, key });
  }
}
