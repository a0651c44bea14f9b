// Detach keys in what a client types.

import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDetachKeys, watchForDetach } from "../../../src/api/detach-keys.ts";

async function type(
  keys: string,
  pieces: readonly Uint8Array[],
): Promise<{ passed: string; detached: number }> {
  let detached = 0;
  const watch = watchForDetach(parseDetachKeys(keys), () => detached++);
  let passed = "";
  watch.on("data", (data: Buffer) => {
    passed += data.toString("latin1");
  });
  const ended = new Promise((resolve) => watch.once("end", resolve));
  for (const piece of pieces) watch.write(piece);
  watch.end();
  await ended;
  return { passed, detached };
}

test.each([
  ["ctrl-p,ctrl-q", [16, 17]],
  ["ctrl-A,b", [1, 98]],
  ["ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", [0, 27, 28, 29, 30, 31]],
  ["a,B", [97, 66]],
])("%s", (text, bytes) => {
  expect([...parseDetachKeys(text)]).toEqual(bytes);
});

test.each(["ctrl-", "ctrl-1", "ab", "", "a,,b"])("%j is no sequence of keys", (text) => {
  expect(() => parseDetachKeys(text)).toThrow(`invalid detach keys (${text}) provided`);
});

test("the sequence is found across pieces, and nothing of it is passed on", async () => {
  const pieces = [Buffer.from("ls\x10"), Buffer.from("\x11after")];
  expect(await type("ctrl-p,ctrl-q", pieces)).toEqual({ passed: "ls", detached: 1 });
});

test("a sequence that was only begun is passed on", async () => {
  expect(await type("ctrl-p,ctrl-q", [Buffer.from("a\x10b\x10\x10c\x10")])).toEqual({
    passed: "a\x10b\x10\x10c\x10",
    detached: 0,
  });
});

test("the key that breaks a sequence may begin the next one", async () => {
  expect(await type("ctrl-p,ctrl-q", [Buffer.from("\x10\x10\x11")])).toEqual({ passed: "\x10", detached: 1 });
});

test("whatever is typed without the sequence is passed on unchanged, however it is cut", async () => {
  const letters = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(letters, fc.integer({ min: 1, max: 5 }), async (typed, size) => {
      const text = typed.join("").replaceAll("ab", "b");
      fc.pre(!text.includes("ab"));
      const pieces = text.match(new RegExp(`.{1,${size}}`, "g")) ?? [];
      const { passed, detached } = await type(
        "a,b",
        pieces.map((piece) => Buffer.from(piece)),
      );
      expect({ passed, detached }).toEqual({ passed: text, detached: 0 });
    }),
  );
});
