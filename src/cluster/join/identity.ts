// Who this host is and which cluster it belongs to: one small file. A host's id is made at its first start, never taken
// from its name or machine id, so hosts cloned from one image are not each other's doubles.

import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, hasCode, internal } from "../../util/errors.ts";
import type { InitialMember } from "../member/etcd-arguments.ts";
import type { HostRole } from "../trust/index.ts";

import type { Wish } from "./seats.ts";

/** Where a member is found. Addresses in text. */
export interface MemberAddress {
  readonly nodeId: string;
  readonly address: string;
  readonly ports: Ports;
}

export interface Ports {
  readonly join: number;
  readonly client: number;
  readonly peer: number;
}

export interface Listen {
  readonly address: string;
  readonly port: number;
}

export const defaultPorts: Ports = { join: 2377, client: 2379, peer: 2380 };

export interface ClusterIdentity {
  readonly id: string;
  readonly role: HostRole;
  readonly wish: Wish;
  /** This host's own address. */
  readonly address: string;
  readonly ports: Ports;
  /** Where the join port is, when not on the host's address. */
  readonly listen?: Listen;
  /** The members as last known: where to find the cluster after a restart. */
  readonly members: readonly MemberAddress[];
  /** The cluster was made here and this host is not on its record yet. */
  readonly isFounding?: boolean;
  /** On the way to membership: what etcd's first start is told. */
  readonly starting?: readonly InitialMember[];
}

export interface Identity {
  readonly nodeId: string;
  readonly cluster?: ClusterIdentity;
}

/** A random id of 128 bits, in hexadecimal: short enough for a DNS label and a certificate's name. */
export function newShortId(): string {
  return randomBytes(16).toString("hex");
}

/** Owns the file. */
export class IdentityFile {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads it; makes one at the first start. @throws internal when it is damaged: an id is not made up twice */
  async read(): Promise<Identity> {
    try {
      return parseIdentity(await readFile(this.#path, "utf8"), this.#path);
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
      const identity = { nodeId: newShortId() };
      await this.write(identity);
      return identity;
    }
  }

  async write(identity: Identity): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const next = `${this.#path}.new`;
    await rm(next, { force: true });
    await using file = await open(next, "wx", 0o600);
    await file.writeFile(`${JSON.stringify(identity, null, 2)}\n`);
    await file.sync();
    await rename(next, this.#path);
  }

  get #path(): string {
    return join(this.#folder, "identity.json");
  }
}

function parseIdentity(text: string, path: string): Identity {
  try {
    const value: Partial<Identity> = JSON.parse(text);
    if (typeof value?.nodeId === "string" && /^[0-9a-f]{32}$/.test(value.nodeId)) return value as Identity;
    throw new Error("it has no node id");
  } catch (error) {
    throw internal(`read ${path}: ${errorMessage(error)}`, error);
  }
}
