// The text of a join token: `TSDKR-1-<digest of the cluster's authority>-<id>-<secret>`. The digest lets the joining host
// check whom it talks to before it says the secret.

import { createHash, randomBytes } from "node:crypto";
import { invalid } from "../../util/errors.ts";

export interface Token {
  /** SHA-256 of the authority's certificate. */
  readonly digest: Buffer;
  /** Names the token's record; no secret. */
  readonly id: string;
  readonly secret: string;
}

// 256, 50 and 130 bits in base 36
const [digestLength, idLength, secretLength] = [50, 10, 26];
const form = new RegExp(
  `^TSDKR-1-([0-9a-z]{${digestLength}})-([0-9a-z]{${idLength}})-([0-9a-z]{${secretLength}})$`,
);

/** A new token for the cluster with this authority. */
export function createToken(digest: Buffer): Token {
  return { digest, id: randomText(idLength), secret: randomText(secretLength) };
}

export function formatToken({ digest, id, secret }: Token): string {
  const number = BigInt(`0x${digest.toString("hex")}`);
  return `TSDKR-1-${number.toString(36).padStart(digestLength, "0")}-${id}-${secret}`;
}

/** @throws invalid when the text is no token; the message has nothing of the text */
export function parseToken(text: string): Token {
  const trimmed = text.trim();
  const [, number, id, secret] = form.exec(trimmed) ?? [];
  if (!number || !id || !secret)
    throw invalid(
      trimmed.startsWith("SWMTKN-")
        ? "read the join token: this is a token of a swarm; tsdocker's begin with TSDKR-1-"
        : "read the join token: it should look like TSDKR-1-<digest>-<id>-<secret>: was it copied whole?",
    );
  const hex = [...number]
    .reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n)
    .toString(16);
  if (hex.length > 64) throw invalid("read the join token: its digest is too large: was it copied whole?");
  return { digest: Buffer.from(hex.padStart(64, "0"), "hex"), id, secret };
}

/** What is kept of a secret. It is random and long, so a plain hash hides it. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function randomText(length: number): string {
  // a byte's upper values would make some digits likelier than others
  const digits: string[] = [];
  while (digits.length < length)
    digits.push(
      ...[...randomBytes(length)].filter((byte) => byte < 252).map((byte) => (byte % 36).toString(36)),
    );
  return digits.slice(0, length).join("");
}
