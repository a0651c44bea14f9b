// Identities: 64 lower-case hex digits, as Docker's clients expect them.

import { randomBytes } from "node:crypto";

/** A new random 64-digit hex id whose first 12 digits are not all decimal (Docker's rule: a short id never reads as a number). */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (/[a-f]/.test(id.slice(0, 12))) return id;
  }
}

/** The 12 digits that people see. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
