import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createToken, formatToken, hashSecret, parseToken } from "../../../../src/cluster/join/token.ts";

const digests = [
  createHash("sha256").update("a cluster").digest(),
  Buffer.alloc(32),
  Buffer.alloc(32, 0xff),
  Buffer.concat([Buffer.alloc(3), Buffer.alloc(29, 7)]),
];

test.each(digests)("a token reads back as it was made: %#", (digest) => {
  const token = createToken(digest);
  expect(parseToken(formatToken(token))).toEqual(token);
  expect(parseToken(`  ${formatToken(token)}\n`)).toEqual(token);
});

test("a token is one word that a double click selects, and no two are alike", () => {
  const texts = Array.from({ length: 50 }, () => formatToken(createToken(digests[0] ?? Buffer.alloc(32))));
  for (const text of texts) expect(text).toMatch(/^TSDKR-1-[0-9a-z]{50}-[0-9a-z]{10}-[0-9a-z]{26}$/);
  expect(new Set(texts.map((text) => text.slice(-26))).size).toBe(50);
});

const whole = formatToken(createToken(digests[2] ?? Buffer.alloc(32)));

test.each([
  "",
  "TSDKR-1-",
  whole.slice(0, -1),
  `${whole}0`,
  whole.replace("TSDKR-1", "TSDKR-2"),
  whole.replace(/-[^-]+$/, ""),
  whole.toUpperCase(),
  whole.replace(/^TSDKR-1-./, "TSDKR-1-z"),
  "TSDKR-1-é",
])("what is no token is refused, and not repeated: %j", (text) => {
  const read = () => parseToken(text);
  expect(read).toThrow(/^read the join token: .*was it copied whole\?$/);
  if (text.length > 20) expect(read).not.toThrow(text.slice(-20));
});

test("a swarm's token is called by its name", () => {
  expect(() => parseToken("SWMTKN-1-abc-def")).toThrow("this is a token of a swarm");
});

test("a secret's hash has nothing of the secret", () => {
  const { secret } = createToken(Buffer.alloc(32));
  expect(hashSecret(secret)).toMatch(/^[0-9a-f]{64}$/);
  expect(hashSecret(secret)).not.toContain(secret);
});
