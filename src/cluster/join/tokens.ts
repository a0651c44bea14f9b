// The cluster's join tokens: records in its store, so that any member can admit; of the secret only a hash.

import { timingSafeEqual } from "node:crypto";
import { EngineError, errorKind, forbidden, invalid, notFound } from "../../util/errors.ts";
import type { HostRole } from "../trust/index.ts";
import type { SharedTable } from "../types.ts";
import { createToken, formatToken, hashSecret, type Token } from "./token.ts";

export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of the secret, hexadecimal. */
  readonly hash: string;
  /** What a host may become that joins with it: a member's token does for a plain node, never the other way. */
  readonly admits: HostRole;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly used: number;
  /** How often it may be used; absent: any number of times until it expires. */
  readonly uses?: number;
}

export interface TokenOptions {
  readonly admits?: HostRole;
  /** In milliseconds; 24 hours unless given. */
  readonly lifetimeMs?: number;
  readonly uses?: number;
}

const hour = 60 * 60 * 1000;
const defaultLifetimeMs = 24 * hour;
const longestLifetimeMs = 366 * 24 * hour;

/** Tokens of the cluster whose authority has this digest. */
export class Tokens {
  readonly #table: SharedTable<TokenRecord>;
  readonly #digest: Buffer;
  readonly #now: () => Date;

  constructor(table: SharedTable<TokenRecord>, digest: Buffer, now: () => Date = () => new Date()) {
    this.#table = table;
    this.#digest = digest;
    this.#now = now;
  }

  /** A new token's text: told once, kept nowhere. @throws invalid for options out of range; unavailable */
  async create({
    admits = "member",
    lifetimeMs = defaultLifetimeMs,
    uses,
  }: TokenOptions = {}): Promise<string> {
    if (!(lifetimeMs > 0 && lifetimeMs <= longestLifetimeMs))
      throw invalid("create a join token: it must expire within a year");
    if (uses !== undefined && !(Number.isSafeInteger(uses) && uses > 0))
      throw invalid("create a join token: its uses must be a number from 1 up");
    const token = createToken(this.#digest);
    const now = this.#now();
    await this.#table.create(token.id, {
      id: token.id,
      hash: hashSecret(token.secret),
      admits,
      createdAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + lifetimeMs).toISOString(),
      used: 0,
      ...(uses !== undefined && { uses }),
    });
    return formatToken(token);
  }

  /** All that are on record, those that no longer admit included. */
  list(): TokenRecord[] {
    return [...this.#table.entries()].map(({ value }) => value);
  }

  /** @throws not-found; unavailable */
  async remove(id: string): Promise<void> {
    if (!this.#table.get(id)) throw notFound(`remove join token ${id}: there is none of this id`);
    await this.#table.delete(id);
  }

  /** Forgets those that expired a day ago or earlier. */
  async sweep(): Promise<void> {
    const before = new Date(this.#now().getTime() - 24 * hour).toISOString();
    for (const { id, expiresAt } of this.list()) if (expiresAt < before) await this.#table.delete(id);
  }

  /**
   * Whether a token does for a host that wants to be this.
   * @throws unauthorized, the same for an unknown id and a wrong secret; forbidden, saying why, when the secret is right
   * and the token is expired, used up, or for something less
   */
  check({ id, secret }: Pick<Token, "id" | "secret">, role: HostRole): TokenRecord {
    const record = checkSecret(this.#table.get(id)?.value, secret);
    checkUse(record, role, this.#now());
    return record;
  }

  /** Uses a token up by one. @throws as `check`; unavailable */
  async spend(token: Pick<Token, "id" | "secret">, role: HostRole): Promise<TokenRecord> {
    // each round is another host that joined meanwhile
    for (let round = 0; round < 16; round++) {
      const entry = this.#table.get(token.id);
      const record = this.check(token, role);
      if (!entry) break;
      try {
        return (await this.#table.replace(entry, { ...record, used: record.used + 1 })).value;
      } catch (error) {
        if (errorKind(error) !== "conflict") throw error;
      }
    }
    throw forbidden("the join token is in use by many hosts at once: try again");
  }
}

// An unknown id costs what a wrong secret does.
function checkSecret(record: TokenRecord | undefined, secret: string): TokenRecord {
  const expected = Buffer.from(record?.hash ?? "".padStart(64, "0"), "hex");
  const isRight = timingSafeEqual(expected, Buffer.from(hashSecret(secret), "hex"));
  if (!record || !isRight) throw new EngineError("unauthorized", "the join token is not one of this cluster");
  return record;
}

function checkUse({ admits, expiresAt, uses, used }: TokenRecord, role: HostRole, now: Date): void {
  if (now.toISOString() >= expiresAt)
    throw forbidden(`the join token expired at ${expiresAt}: ask for a new one (tsdocker cluster token)`);
  if (uses !== undefined && used >= uses)
    throw forbidden(
      `the join token was for ${uses} ${uses === 1 ? "use" : "uses"} and is used up: ask for a new one (tsdocker cluster token)`,
    );
  if (role === "member" && admits === "node")
    throw forbidden("the join token admits plain nodes only: join with --node, or ask for a member's token");
}
